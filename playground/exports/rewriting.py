"""Where a page's alternative texts stand, and new ones put there: HTML and Markdown as bytes.

HTML is read by a real parser, which knows comments and scripts; Markdown by CommonMark's rules for
pictures, code and comments. Only the texts change: the bytes between them are copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser

from playground.errors import GalleryProblem
from playground.exports.markdown import escaped

HTML = frozenset({".html", ".htm", ".xhtml"})
MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".qmd", ".rmd"})
Find = Callable[[str], str | None]
"""The alternative text for an address as written in the page; None for an unknown picture."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many texts were `filled`, `kept` as they were, and pictures `unknown` to the gallery."""

    filled: int = 0
    kept: int = 0
    unknown: int = 0


def fill(
    data: bytes, suffix: str, find: Find, *, replace_texts: bool = False
) -> tuple[bytes, Counts]:
    """The bytes of a page with alternative texts filled in; all others are as they were.

    Raises:
        GalleryProblem: when the bytes are not text in a known encoding.
    """
    text, encoding = _decoded(data)
    page = _Page(find, replace_texts)
    changes = list(page.html(text) if suffix.lower() in HTML else page.markdown(text))
    parts, at = [], 0
    for start, end, new in sorted(changes):
        parts += [text[at:start], new]
        at = end
    parts.append(text[at:])
    made = "".join(parts).encode(encoding, "xmlcharrefreplace") if changes else data
    return made, Counts(page.filled, page.kept, page.unknown)


def _decoded(data: bytes) -> tuple[str, str]:
    """Text that gives the same bytes again, and its encoding."""
    declared = re.search(rb"charset\s*=\s*[\"']?([\w.:-]+)", data[:2048], re.IGNORECASE)
    names = ["utf-8", declared[1].decode() if declared else "", "latin-1"]
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        names = ["utf-16-le" if data[:2] == b"\xff\xfe" else "utf-16-be"]
    for name in filter(None, names):
        try:
            text = data.decode(name)
            if text.encode(name) == data:
                return text, name
        except (UnicodeError, LookupError):
            continue
    msg = "the page is not text in an encoding that could be read; it was left as it is"
    raise GalleryProblem(msg)


class _Page:
    """Finds the places to change in one page, and counts."""

    def __init__(self, find: Find, replace_texts: bool) -> None:
        self._find = find
        self._replace = replace_texts
        self.filled = self.kept = self.unknown = 0

    def _new(self, address: str, there: str | None) -> str | None:
        """The text to write for a picture, or None to leave it."""
        if there and there.strip() and not self._replace:
            self.kept += 1
            return None
        found = self._find(address)
        if found is None:
            self.unknown += 1
            return None
        if found == there:
            self.kept += 1
            return None
        self.filled += 1
        return found

    def html(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Changes (start, end, new text) for the `<img>` tags of a page."""
        for start, tag in _images(text):
            attributes = dict(reversed([(a.name, a) for a in _attributes(tag)]))  # the first counts
            source = attributes.get("src")
            if source is None or not source.value.strip():
                continue
            alt = attributes.get("alt")
            new = self._new(source.value, alt.value if alt else None)
            if new is None:
                continue
            if alt is not None:
                yield start + alt.start, start + alt.end, f'alt="{_quoted(new)}"'
            else:
                at = start + len("<img")  # no value stands there that could swallow it
                yield at, at, f' alt="{_quoted(new)}"'

    def markdown(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Changes for the pictures of a Markdown file, those in HTML tags included."""
        plain = _without_code(text)
        targets = {_label(found[1]): found[2].strip("<>") for found in _DEFINITION.finditer(plain)}
        for found in _PICTURE.finditer(plain):
            inner, address, label = found["alt"], found["to"], found["label"]
            if address is not None:
                address = address.strip()
                address = address[1:-1] if address.startswith("<") else address
            elif label is not None:
                address = targets.get(_label(label or inner))
            if not address:
                continue
            source = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", address)
            if label is not None and not label and not inner.strip():
                continue
            new = self._new(source, inner)
            if new is not None:
                yield found.start("alt"), found.end("alt"), escaped(new)
        yield from self.html(plain)


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


# -- HTML ------------------------------------------------------------------------------------------


def _images(text: str) -> list[tuple[int, str]]:
    """Where each `<img>` tag begins, and its source; not in comments, scripts or styles."""
    found: list[tuple[int, str]] = []
    lines = [0, *(match.end() for match in re.finditer("\n", text))]

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            del attrs
            source = self.get_starttag_text()
            if tag == "img" and source:
                line, column = self.getpos()
                found.append((lines[line - 1] + column, source))

    reader = Reader(convert_charrefs=False)
    reader.feed(text)
    reader.close()
    return [(start, tag) for start, tag in found if text.startswith(tag, start)]


@dataclass(frozen=True, slots=True)
class _Attribute:
    """An attribute within a tag: its name in lower case, its decoded value, where it stands."""

    name: str
    value: str
    start: int
    end: int


# HTML Living Standard, 13.2.5.32 and following: names, and three kinds of values.
_ATTRIBUTE = re.compile(
    r"""([^\s"'<>/=][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`][^\s>]*)))?"""
)


def _attributes(tag: str) -> Iterator[_Attribute]:
    for found in _ATTRIBUTE.finditer(tag, len("<img"), len(tag) - 1):
        value = next((group for group in found.groups()[1:] if group is not None), "")
        yield _Attribute(found[1].lower(), unescape(value), found.start(), found.end())


# -- Markdown --------------------------------------------------------------------------------------

# A fence of three or more, closed by as many or the end; what is in it is kept out of the search.
_FENCE = re.compile(
    r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(?:.*?)(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_SPAN = re.compile(r"(?<![\\`])(`+)(?!`)(?:[^`]|(?!\1(?!`))`+)*?(?<!`)\1(?!`)")
_ALT = r"(?P<alt>(?:[^\[\]\\\n]|\\.|\[[^\[\]\n]*\])*)"
_TO = r"(?P<to>\s*(?:<[^<>\n]*>|(?:[^\s()\\<]|\\.|\([^\s()]*\))+))"
_TITLE = r"""(?:\s+(?:"[^"]*"|'[^']*'|\([^()]*\)))?\s*"""
_PICTURE = re.compile(
    rf"(?<!\\)!\[{_ALT}\](?:\({_TO}{_TITLE}\)|\[(?P<label>[^\[\]\n]*)\])", re.DOTALL
)
_DEFINITION = re.compile(r"^ {0,3}\[([^\[\]\n]+)\]:[ \t]*\n?[ \t]*(<[^<>\n]*>|\S+)", re.MULTILINE)


def _without_code(text: str) -> str:
    """The text with blanks in place of code and comments, of the same length."""
    for pattern in (_FENCE, _COMMENT, _SPAN):
        text = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return text


def _label(label: str) -> str:
    return " ".join(label.casefold().split())
