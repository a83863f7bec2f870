"""Markdown for posts: pictures whose alt text is the prompt or what describes them.

Nothing in a prompt or caption becomes markup, a link or a mention: each character that Markdown
(CommonMark 0.31, GFM) reads as markup is escaped.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from playground import money
from playground.exports import copies, destination, fields, xmp
from playground.exports.page import UNDESCRIBED
from playground.exports.report import Exported
from playground.exports.selection import ALL, Selection
from playground.render import printable
from playground.store import Gallery
from playground.values import GalleryItem

# What is markup within a line, and what only at its beginning: headings, lists, underlines.
_MARKUP = re.compile(r"([\\`*_\[\]|~@$]|(?<=:)/(?=/)|(?<=www)\.)", re.IGNORECASE)
_BEGINS = re.compile(r"^([#+\-=:]|\d{1,9}(?=[.)]))")


def to_markdown(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.SHOWN,
    link: str = "",
    force: bool = False,
) -> Exported:
    """Write the chosen items as Markdown, one after the other.

    `link` stands before the names of the pictures, which are those that `to_copies` gives them:
    a folder, or the address where you put them.

    Raises:
        GalleryProblem: when `path` exists (without `force`) or cannot be written.
    """
    with destination.file(Path(path), force=force) as out:
        count = write_markdown(chosen.items(gallery), out, groups, link)
    return Exported(str(path), "markdown", count)


def write_markdown(
    items: Iterable[GalleryItem], out: BinaryIO, groups: frozenset[str], link: str = ""
) -> int:
    """Write the posts to an open file; how many there were."""
    count = 0
    for item in items:
        if count:
            out.write(b"\n")
        out.write(post(item, groups, link).encode("utf-8", "replace"))
        count += 1
    return count


def post(item: GalleryItem, groups: frozenset[str] = fields.SHOWN, link: str = "") -> str:
    """One item as Markdown; with `prompt` among the groups the prompt is its alt text."""
    alt = item.prompt if "prompt" in groups and item.prompt else fields.alt_text(item, groups)
    before = f"{link.rstrip('/')}/" if link else ""
    address = urllib.parse.quote(before + copies.named(item.id, item.format), safe=_URL)
    lines = [f"![{escaped(alt or UNDESCRIBED)}](<{address}>)"]
    if item.title:
        lines.append(f"**{escaped(item.title)}**")
    caption = fields.caption_text(item) if "caption" in groups else ""
    if caption and caption != alt:
        lines.append(escaped(caption))
    facts = []
    if "model" in groups and item.model:
        facts.append(" ".join(filter(None, (item.model, str(item.size), item.quality))))
    total = fields.total_billed(item) if "cost" in groups else None
    if total is not None:
        facts.append(money.short(total))
    if item.sample:
        facts.append("sample")
    facts += [f"#{tag}" for tag in xmp.tags(item, groups)]
    if facts:
        lines.append(" · ".join(escaped(fact) for fact in facts))
    if "note" in groups and item.note:
        lines.append(escaped(item.note))
    return "\n\n".join(lines) + "\n"


_URL = "/:?=&%#+,;@~.-_!*'()[]$"


def escaped(text: str) -> str:
    """Text on one line in which nothing is Markdown or HTML any more."""
    flat = " ".join(printable(" ".join(text.split())).split())
    plain = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    marked = _MARKUP.sub(r"\\\1", plain)
    begins = _BEGINS.match(marked)
    if begins is None:
        return marked
    # A digit cannot be escaped, the dot behind it can.
    at = begins.end() if begins[0].isdigit() else 0
    return f"{marked[:at]}\\{marked[at:]}"
