"""Cells that no spreadsheet takes for a formula, and that come back exactly as they were.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return may run when a spreadsheet
opens the file (OWASP, "CSV Injection"; CWE-1236); some programs look past spaces and no-break
spaces, and some split a cell at its line breaks. Each such beginning gets an apostrophe before
it. A line that begins with an apostrophe gets one more, so taking one away restores every text.
"""

from __future__ import annotations

import re

# Blanks, controls and invisible characters that a program may skip before it looks.
_SKIPPED = re.compile(
    r"[\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\"]*"
)
# Full-width forms count: some programs fold them. The pipe and percent began DDE commands.
_BEGINS = frozenset("=+-@|%'\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63\ufe66\ufe6b")
_BREAK = re.compile(r"([\r\n])")
_GUARDED = re.compile(r"(^|[\r\n])'")


def guarded(text: str) -> str:
    """The text as it is safe in a cell; `restored` gives it back."""
    if text[:1].isalnum() and "\n" not in text and "\r" not in text:
        return text
    parts = _BREAK.split(text)
    risky = False
    # From the last line to the first: an empty line is as risky as the one after it.
    for at in range(len(parts) - 1, -1, -2):
        line = parts[at]
        found = _SKIPPED.match(line)
        end = found.end() if found else 0
        if end < len(line):
            risky = line[end] in _BEGINS or "\t" in line[:end]
        else:
            risky = "\t" in line or risky or (at == 0 and parts[1:2] == ["\r"])
        if risky:
            parts[at] = f"'{line}"
    return "".join(parts)


def restored(cell: str) -> str:
    """The text that `guarded` made into this cell; for other cells, what they show."""
    return _GUARDED.sub(r"\1", cell)
