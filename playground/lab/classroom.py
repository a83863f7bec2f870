"""Progress in the exercises, kept in a small file beside the notebooks; and the teacher's key."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from playground import catalog, pricing
from playground.catalog import Catalog
from playground.errors import PlaygroundError
from playground.lab import exercises
from playground.lab.exercises import EXERCISES, Graded

FILE = "pricing-lab-progress.json"
MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Progress:
    """Tries and solved exercises. `problem` says why the file cannot be kept, if so."""

    solved: frozenset[str] = frozenset()
    tries: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""

    @property
    def words(self) -> str:
        """How far it is."""
        minutes = sum(each.minutes for each in EXERCISES if each.id not in self.solved)
        if not minutes:
            return f"All {len(EXERCISES)} are solved."
        return f"{len(self.solved)} of {len(EXERCISES)} solved; about {minutes} minutes are left."

    def after(self, graded: Graded) -> Progress:
        """With one more try."""
        tries = {**self.tries, graded.id: self.tries.get(graded.id, 0) + 1}
        solved = self.solved | {graded.id} if graded.right else self.solved
        return Progress(frozenset(solved), tries)


def load(folder: Path) -> Progress:
    """The progress kept in a folder; none where there is no file, or none that can be read."""
    path = folder / FILE
    try:
        data = path.read_bytes()[: MOST_BYTES + 1]
    except FileNotFoundError:
        return Progress()
    except OSError as problem:
        return Progress(
            problem=f"{path.name} cannot be read ({problem.strerror}); progress starts anew"
        )
    try:
        tree = json.loads(data)
        known = {each.id for each in EXERCISES}
        solved = frozenset(str(one) for one in tree["solved"] if one in known)
        tries = {
            str(k): int(v) for k, v in tree["tries"].items() if k in known and 0 < int(v) < 10**6
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return Progress(problem=f"{path.name} is damaged; it is written anew with the next answer")
    return Progress(solved, tries)


def save(folder: Path, progress: Progress) -> str:
    """Keep the progress; the sentence that says why it could not be kept, or an empty one."""
    form = {"solved": sorted(progress.solved), "tries": dict(sorted(progress.tries.items()))}
    text = json.dumps(form, indent=1)
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix=".progress-", delete=False
        ) as file:
            file.write(text)
        try:
            Path(file.name).replace(folder / FILE)
        except OSError:
            with contextlib.suppress(OSError):
                Path(file.name).unlink()
            raise
    except OSError as problem:
        return (
            f"your progress could not be kept in this folder ({problem.strerror}); the answers "
            "still count on this page"
        )
    return ""


def forget(folder: Path) -> str:
    """Begin anew: removes the file; the sentence that says why not, or an empty one."""
    try:
        (folder / FILE).unlink(missing_ok=True)
    except OSError as problem:
        return f"the progress could not be removed ({problem.strerror})"
    return ""


def teachers_key(on: dt.date | None = None, *, known: Catalog | None = None) -> str:
    """Every exercise with its answer, the way there, and the mistakes that get a hint.

    In a notebook: `from playground.lab.classroom import teachers_key; print(teachers_key())`.
    """
    book, day = known or catalog.default(), on or pricing.today()
    lines = [f"Teacher's key, prices of {day}", ""]
    for level, name in exercises.LEVELS.items():
        group = [each for each in EXERCISES if each.level == level]
        lines.append(f"Level {level}: {name} ({sum(each.minutes for each in group)} minutes)")
        for each in group:
            try:
                worked = each.work(book, day)
            except PlaygroundError as problem:
                lines += [f"  {each.id}: {problem}", ""]
                continue
            lines.append(f"  {each.id}: {each.question}")
            unit = "" if each.unit in {"choice", "dollars"} else f" {each.unit}"
            lines.append(f"    answer: {exercises.shown(worked.answer, each.unit)}{unit}")
            lines.append(f"    way: {worked.way}")
            lines += [
                f"    if {exercises.shown(wrong, each.unit)}: {hint}"
                for wrong, hint in worked.mistakes
                if wrong != worked.answer
            ]
            lines.append("")
    return "\n".join(lines)
