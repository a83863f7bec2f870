"""`playground caption` as people and scripts use it: plan, pilot, run, bad input, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from playground import cli
from playground.cli.live import lines_of
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.runner import Forecast, Progress, Reason


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYGROUND_PROVIDER", "offline")


@pytest.fixture
def run(capsys):
    def call(*arguments, status=0):
        capsys.readouterr()
        found = cli.main(["caption", *(str(argument) for argument in arguments)])
        out, err = capsys.readouterr()
        assert found == status, (found, out, err)
        return out, err

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    noise = Image.effect_noise((900, 600), 60).convert("RGB")
    for number in range(16):
        noise.save(folder / f"{number:02}.jpg", comment=f"{number}")
    shutil.copy(folder / "03.jpg", folder / "more" / "again.jpg")
    return folder


def told(err: str) -> str:
    lines = [line for line in err.splitlines() if not line.startswith(("offline:", "quoted"))]
    assert len(lines) == 1, err
    assert lines[0].startswith("playground: ")
    return lines[0]


def test_a_dry_run_shows_copies_what_cannot_be_read_and_what_smaller_photos_save(
    run, photos: Path
) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    out, err = run(photos, "--dry-run", status=1)
    assert "16 to ask about, 1 already answered (1 of them a copy)" in out
    assert re.search(r"as they are +\$\S+ to \$\S+ +\d", out)
    assert re.search(r"768 px +\$\S+ to \$\S+ +\d", out)
    assert "refused: empty.jpg: the file is empty" in err
    assert "again.jpg is the same picture as" in err
    document = json.loads(run(photos, "--dry-run", "--json", status=1)[0])
    assert [one["resize"] for one in document["savings"]] == [None, 512, 768, 1024]
    whole, small, *_ = document["savings"]
    assert Decimal(small["dollars"]["high"]) < Decimal(whole["dollars"]["high"])
    assert small["upload_bytes"] < whole["upload_bytes"]
    assert [Path(one["path"]).name for one in document["copies"]] == ["again.jpg"]
    assert document["captioned"] == 0


def test_a_pilot_asks_about_a_few_and_forecasts_the_whole(run, photos: Path) -> None:
    document = json.loads(run(photos, "--pilot", 6, "--json")[0])
    forecast = document["forecast"]
    assert (document["captioned"], forecast["sampled"], forecast["level"]) == (6, 6, 0.9)
    low, estimate, high = (Decimal(forecast[name]) for name in ("low", "estimate", "high"))
    assert low <= estimate <= high
    out, _ = run(photos, "--pilot", 6)
    assert re.search(r"all of it: \$\S+ to \$\S+ \(90 %, from 6 photos\)", out)
    assert "4 are left; the same command without --pilot asks about them" in out
    rest = json.loads(run(photos, "--json")[0])
    assert (rest["captioned"], rest["skipped"]) == (4, 13)
    assert rest.get("forecast") is None


def test_a_pilot_with_two_models_shows_them_beside_each_other(run, photos: Path, capsys) -> None:
    both = ("--pilot", 3, "--compare", "gpt-5.4-mini")
    document = json.loads(run(photos, *both, "--json")[0])
    compared = document["compare"]
    assert [one["model"] for one in compared["models"]] == ["gpt-5.4-nano", "gpt-5.4-mini"]
    assert all(Decimal(one["dollars_per_photo"]) > 0 for one in compared["models"])
    assert document["forecast"] == compared["models"][0]["forecast"]
    assert len(compared["pairs"]) == 3
    for pair in compared["pairs"]:
        assert [one["model"] for one in pair["answers"]] == ["gpt-5.4-nano", "gpt-5.4-mini"]
        assert cli.main(["gallery", "show", pair["item"], "--json"]) == 0
        kept = json.loads(capsys.readouterr().out)["captions"]
        assert {one["caption"] for one in pair["answers"]} == {one["id"] for one in kept}
    out, _ = run(photos, *both)
    assert re.search(r"model +all of it +a photo +tokens in \+ out +seconds", out)
    assert re.search(r"gpt-5.4-mini +\$\S+( to \$\S+)? +\$\S+ +\d+ \+ \d+ +\d", out)


def test_a_pilot_that_sends_nothing_is_a_usage_error(run, photos: Path) -> None:
    _, err = run(photos, "--pilot", 6, "--dry-run", status=2)
    assert "give one of them" in err
    _, err = run(photos, "--compare", "gpt-5.4-mini", status=2)
    assert "goes with --pilot" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "no photos in nothing"),
        (["photos", "--cap", "0.000001"], "cap of this gallery is $0.000001"),
        (["photos", "--budget", "0.000001"], "cap of this run is $0.000001"),
        (["photos", "--model", "gpt-image-2"], "choose a vision model"),
        (["photos", "--task", "attributes", "--schema", "bad.json"], "JSON"),
        (["photos", "--task", "attributes", "--schema", "list.json"], "object"),
        (["photos", "--resize", "3"], "resize is from 16"),
        (["photos/00.jpg", "missing.jpg", "--model", "gpt-9"], "near names: gpt-5"),
    ],
)
def test_what_cannot_begin_is_one_clear_line_and_costs_nothing(
    run, photos: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "bad.json").write_text("{colour: red")
    (tmp_path / "list.json").write_text("[1, 2]")
    _, err = run(*arguments, status=1)
    assert words in told(err)
    spent = run("photos", "--json", "--limit", 1)[0]  # what was wrong left nothing in the way
    assert json.loads(spent)["held_dollars"] == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_odd_names_loops_and_dangling_links_stop_nothing(tmp_path: Path, capfdbinary) -> None:
    folder = tmp_path / "odd"
    (folder / "in").mkdir(parents=True)
    odd_names = (
        b"\xff\xfe.jpg",
        "naïve – 写真.jpg".encode(),
        b"new\nline.jpg",
        b"-rf.jpg",
        b"\x1b.jpg",
    )
    for number, name in enumerate(odd_names):
        Image.new("RGB", (64, 48)).save(folder / "x.jpg", "JPEG", comment=f"{number}")
        (folder / "x.jpg").rename(folder / os.fsdecode(name))
    (folder / os.fsdecode(b"bad\xff.jpg")).touch()
    (folder / "in" / "up").symlink_to("..")
    (folder / "self").symlink_to("self")
    (folder / "self.jpg").symlink_to("self.jpg")
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    assert cli.main(["caption", str(folder), "--json"]) == 1
    document = json.loads(capfdbinary.readouterr().out)  # bytes: it must be UTF-8
    assert document["captioned"] == 5
    why = {Path(one["path"]).name: one["why"] for one in document["errors"]}
    assert why.keys() == {"bad\udcff.jpg", "self.jpg", "dangling.jpg"}
    assert "empty" in why["bad\udcff.jpg"]
    assert "missing" in why["dangling.jpg"]
    assert "symbolic links" in why["self.jpg"]


def test_the_live_lines_tell_speed_money_end_and_reasons() -> None:
    lines = lines_of(
        Progress(
            "running",
            planned=76_000,
            captioned=1_234,
            failed=2,
            photos_per_second=152.34,
            settled_dollars=Decimal("0.68"),
            held_dollars=Decimal("0.02"),
            dollars_per_hour=Decimal("301.2"),
            seconds_left=490,
            at_completion=Forecast(Decimal("41.801"), Decimal(43), Decimal("44.099"), 0.9, 1_234),
            reasons=(Reason("the file is empty", 2, "a.jpg"),),
        )
    )
    assert lines == [
        "1,236 of 76,000 · 152.3 photos/s · 8 min left",
        "$0.68 spent · $0.02 held · $301.20 an hour · "
        "$41.80 to $44.10 (90 %, from 1,234 photos) in the end",
        "2 × the file is empty",
    ]


def terminal(command: list[str], interrupt_at: bytes | None) -> tuple[int, str]:
    """Run a command in a terminal of its own; perhaps press Ctrl-C when a text was shown."""
    import pty

    pid, handle = pty.fork()
    if pid == 0:
        os.environ["COLUMNS"] = "100"
        os.execv(command[0], command)
    shown = b""
    timer = threading.Timer(60, os.kill, (pid, signal.SIGKILL))
    timer.start()
    try:
        while True:
            try:
                part = os.read(handle, 65_536)
            except OSError:  # the other side is gone
                break
            if not part:
                break
            shown += part
            if interrupt_at is not None and interrupt_at in shown:
                os.write(handle, b"\x03")
                interrupt_at = None
        _, status = os.waitpid(pid, 0)
    finally:
        timer.cancel()
        os.close(handle)
    return os.waitstatus_to_exitcode(status), shown.decode()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_ctrl_c_in_a_terminal_ends_the_run_and_the_next_one_goes_on(
    tmp_path: Path, photos: Path
) -> None:
    with OfflineServer(OfflineApp(latency_ms=300)) as server:
        command = [sys.executable, "-m", "playground", "caption", str(photos)]
        command += ["--base-url", server.base_url, "--concurrency", "2", "--gallery", "g"]
        status, shown = terminal(command, interrupt_at=b"photos/s")
        assert status == 130
        assert "of 16" in shown
        assert "\x1b[2F" in shown  # one block, rewritten
        assert "it was interrupted" in shown
        asked = server.app.truth.requests
        assert 0 < asked < 16
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0
        assert json.loads(done.stdout)["held_dollars"] == "0"
        assert done.stderr == ""  # no progress where nobody looks
        assert server.app.truth.requests == 16
