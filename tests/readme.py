"""README examples are real: every `$ playground …` in a console block is run, and compared.

`python tests/readme.py --write` puts the present output into README.md; the test in
test_house.py fails while the two differ. Outputs are of a given day (`--on`), so that a price
change does not make an old example wrong.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
_BLOCK = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)
_SECONDS = 60


def run(command: str, folder: Path) -> str:
    """What `command` prints, run in `folder` without a key."""
    words = shlex.split(command)
    if words[0] != "playground":
        msg = f"README shows {command!r}; only `playground` commands are checked"
        raise ValueError(msg)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "PLAYGROUND_"))}
    done = subprocess.run(
        [sys.executable, "-m", "playground", *words[1:]],
        cwd=folder,
        env=environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        msg = f"{command}: exit {done.returncode}: {done.stderr}"
        raise ValueError(msg)
    return done.stdout


def commands(block: str) -> list[str]:
    """The commands of a block, those over several lines joined."""
    joined = block.replace("\\\n", "")
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def fresh(block: str, folder: Path) -> str:
    """The block with the outputs that its commands have now."""
    parts = re.split(r"(?m)^(?=\$ )", block)
    renewed = []
    for part in filter(None, parts):
        lines = part.splitlines(keepends=True)
        end = next(n for n, line in enumerate(lines) if not line.endswith("\\\n")) + 1
        shown = "".join(lines[:end])
        renewed.append(shown + run(commands(shown)[0], folder).rstrip("\n") + "\n\n")
    return "".join(renewed).rstrip("\n") + "\n"


def renewed(text: str) -> str:
    """The README's text with present outputs. All blocks share one empty folder, in order."""
    with tempfile.TemporaryDirectory() as folder:
        return _BLOCK.sub(lambda match: fresh(match[1], Path(folder)), text)


if __name__ == "__main__":
    present = renewed(README.read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--write"]:
        README.write_text(present, encoding="utf-8")
    else:
        sys.stdout.write(present)
