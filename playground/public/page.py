"""The public page in its kernel: one widget, a few questions, nothing that changes anything.

Every question is checked again here, although `channel` lets only well-formed ones through: a
visitor writes them. No error's text but our own goes out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget

from playground.errors import PlaygroundError
from playground.public.kernel import forbid_writing
from playground.public.settings import SNAPSHOT_VARIABLE
from playground.publish import records, site
from playground.publish.database import NAME, Reader
from playground.publish.entries import ID, Entry
from playground.publish.query import FACETS, MAX_CHARS, SORTS

PAGE_COMM = "halfpenny-public-page"
"""The widget's comm id, fixed so that the server can tell its messages from all others."""

PAGE_ITEMS = 120
QUESTIONS = ("open", "find", "words", "card")
_REMOTE = Path(__file__).parent / "remote.js"
Message = dict[str, Any]


def snapshot_folder() -> Path:
    """The snapshot of this process, as the launcher named it."""
    return Path(os.environ[SNAPSHOT_VARIABLE])


class Answers:
    """Answers a visitor's questions from the snapshot, which may be replaced meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._reader: Reader | None = None
        self._seen: tuple[int, int] = (0, 0)

    @property
    def reader(self) -> Reader:
        """The open database: anew when another snapshot has taken its place."""
        status = self.path.stat() if self.path.exists() else None
        seen = (status.st_ino, status.st_mtime_ns) if status else (-1, -1)
        if self._reader is None or seen != self._seen:
            self._reader, self._seen = Reader(self.path), seen
        return self._reader

    def answer(self, question: Mapping[str, Any]) -> Message:
        """The answer to a question, whatever it holds; a sentence where there is none."""
        number = question.get("n")
        reply: Message = {"n": number if isinstance(number, int) and 0 <= number < 2**31 else 0}
        ask = {
            "open": self._open,
            "find": self._find,
            "words": self._words,
            "card": self._card,
        }.get(str(question.get("do")))
        if ask is None:
            return reply
        try:
            return reply | ask(question)
        except PlaygroundError as problem:
            # Its text may name the snapshot's folder, which is none of a visitor's business.
            slow = "too long" in str(problem)
            return reply | {
                "sorry": str(problem) if slow else "This gallery cannot be read right now."
            }
        except Exception:  # a traceback would tell a stranger about this machine
            return reply | {"sorry": "That did not work."}

    def _open(self, _question: Mapping[str, Any]) -> Message:
        reader = self.reader
        return {
            "title": reader.meta.get("title", ""),
            "count": int(reader.meta.get("count", "0")),
            "sorts": _sorts(reader),
        }

    def _find(self, question: Mapping[str, Any]) -> Message:
        text = question.get("q")
        where = question.get("where")
        after = question.get("after")
        sort = question.get("sort")
        first = after is None
        found = self.reader.find(
            text[:MAX_CHARS] if isinstance(text, str) else "",
            {
                name: value[:200]
                for name, value in (where.items() if isinstance(where, dict) else ())
                if name in FACETS and isinstance(value, str)
            },
            sort=sort if sort in SORTS else "newest",
            limit=PAGE_ITEMS,
            after=None if first else _cursor(after),
            facets=first,
        )
        return {
            "cards": self._cards(found.entries),
            "total": found.total,
            "facets": {name: list(values) for name, values in found.facets.items()},
            "next": None if found.next is None else [str(part) for part in found.next],
        }

    def _cards(self, entries: tuple[Entry, ...]) -> list[Message]:
        files = self.reader.pictures([entry.id for entry in entries])
        return [records.card(entry, large="large" in files.get(entry.id, {})) for entry in entries]

    def _entry(self, question: Mapping[str, Any]) -> Entry | None:
        wanted = question.get("id")
        if not isinstance(wanted, str) or not ID.fullmatch(wanted):
            return None
        return self.reader.entry(wanted)

    def _words(self, question: Mapping[str, Any]) -> Message:
        entry = self._entry(question)
        return {"words": None if entry is None else records.words(entry)}

    def _card(self, question: Mapping[str, Any]) -> Message:
        entry = self._entry(question)
        return {"card": None if entry is None else self._cards((entry,))[0]}


def _sorts(reader: Reader) -> list[str]:
    fields = reader.meta.get("fields", "")
    no_use = set()
    if '"rating"' not in fields:
        no_use.add("best")
    if '"cost"' not in fields:
        no_use |= {"dearest", "cheapest"}
    return [name for name in SORTS if name not in no_use]


def _cursor(after: Any) -> tuple[int, int] | None:
    """A cursor as it went out: two whole numbers as text (they may be beyond a float's)."""
    if isinstance(after, list) and len(after) == 2:
        parts = [part for part in after if isinstance(part, str) and len(part) < 22]
        if len(parts) == 2 and all(part.lstrip("-").isdecimal() for part in parts):
            numbers = int(parts[0]), int(parts[1])
            if all(abs(number) < 2**63 for number in numbers):
                return numbers
    return None


class PublicView(anywidget.AnyWidget):
    """The page's widget: it binds to the wall that the server sent as HTML, and asks for more."""

    _esm = site.script() + "\n" + _REMOTE.read_text(encoding="utf-8")

    def __init__(self, answer: Callable[[Mapping[str, Any]], Message]) -> None:
        super().__init__(model_id=PAGE_COMM)
        self._answer = answer
        self.on_msg(self._receive)

    def _receive(self, _widget: Any, question: Any, _buffers: Any) -> None:
        if isinstance(question, dict):
            self.send(self._answer(question))


def page() -> PublicView:
    """The page of this process's snapshot (its notebook's only call).

    Raises:
        GalleryProblem: when the snapshot cannot be read.
    """
    answers = Answers(snapshot_folder())
    # A warm kernel has read what the first question needs, before anybody comes.
    answers.answer({"do": "find", "q": "warm"})
    forbid_writing()
    return PublicView(answers.answer)
