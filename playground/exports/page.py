"""One HTML page that holds everything: pictures, words, style; no script, nothing loaded.

A content security policy in the page forbids scripts and any request, so that not even a text
that got past the escaping could do something.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from playground import money, photos
from playground.errors import PlaygroundError
from playground.exports import destination, fields, xmp
from playground.exports.report import Exported, Notes
from playground.exports.selection import ALL, Selection
from playground.render import esc, printable
from playground.store import Gallery
from playground.values import GalleryItem

_PAGE_ITEMS = 100
UNDESCRIBED = "Picture without a description"
_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,CanvasText 16%,Canvas);
--soft:color-mix(in srgb,CanvasText 66%,Canvas);--card:color-mix(in srgb,CanvasText 4%,Canvas)}
*{box-sizing:border-box}
body{margin:0 auto;max-width:90rem;padding:1.5rem clamp(.75rem,3vw,2.5rem);background:Canvas;
color:CanvasText;font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.2;margin:0}
header{margin:0 0 1.25rem}footer{margin-top:1.5rem;color:var(--soft)}
main{display:grid;gap:1.25rem;align-items:start;grid-template-columns:repeat(auto-fill,minmax(min(18rem,100%),1fr))}
figure{margin:0;border:1px solid var(--line);border-radius:.5rem;overflow:hidden;
background:var(--card);content-visibility:auto;contain-intrinsic-size:18rem 26rem;
display:flex;flex-direction:column}
figure img{display:block;width:100%;height:auto;background:var(--line)}
.gone{aspect-ratio:4/3;display:grid;place-items:center;color:var(--soft);background:var(--line)}
figcaption{padding:.75rem .9rem;display:grid;gap:.5rem;overflow-wrap:anywhere}
figcaption p{margin:0;white-space:pre-line}
.prompt{color:var(--soft)}
h2{font-size:1.05rem;line-height:1.3;margin:0}
.sample{font-size:.75rem;border:1px solid var(--line);border-radius:1rem;padding:.05rem .5rem;
color:var(--soft);width:fit-content}
ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.3rem}
li{font-size:.8rem;padding:.05rem .5rem;border-radius:1rem;background:var(--line)}
dl{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:.1rem .75rem;font-size:.85rem}
dt{color:var(--soft)}dd{margin:0;white-space:pre-line}
summary{cursor:pointer;font-size:.85rem;color:var(--soft)}
"""


def to_html(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.SHOWN,
    title: str = "Pictures",
    force: bool = False,
) -> Exported:
    """Write a page with the small pictures (up to 512 pixels) of the chosen items in it.

    About 20 KB a picture; for thousands of them, a published static site loads faster.

    Raises:
        GalleryProblem: when `path` exists (without `force`) or cannot be written.
    """
    notes, count = Notes(), 0
    with destination.file(Path(path), force=force) as out:
        out.write(_head(title).encode("utf-8", "replace"))
        for figure in _figures(gallery, chosen, groups, notes):
            out.write(figure.encode("utf-8", "replace"))
            count += 1
        out.write(_foot(count).encode())
    return Exported(str(path), "html", count, notes.sentences())


def _head(title: str) -> str:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{esc(policy)}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{esc(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<header><h1 dir="auto">{esc(title)}</h1></header>\n<main>\n'
    )


def _foot(count: int) -> str:
    many = "1 picture" if count == 1 else f"{count:,} pictures"
    return f"</main>\n<footer><p>{many}</p></footer>\n</body>\n</html>\n"


def _figures(
    gallery: Gallery, chosen: Selection, groups: frozenset[str], notes: Notes
) -> Iterator[str]:
    items = chosen.items(gallery)
    while part := list(itertools.islice(items, _PAGE_ITEMS)):
        small = gallery.thumbnails([item.id for item in part])
        for item in part:
            data = small.get(item.id) or _small(gallery, item)
            if not data:
                notes.add("pictures have no file and are shown as missing", item.id)
            yield _figure(item, data, groups)


def _small(gallery: Gallery, item: GalleryItem) -> bytes:
    try:
        return photos.thumbnail(gallery.original(item.id))[0]
    except PlaygroundError:
        return b""


def _figure(item: GalleryItem, small: bytes, groups: frozenset[str]) -> str:
    alt = fields.alt_text(item, groups) or UNDESCRIBED
    picture = f'<div class="gone" role="img" aria-label="{_text(alt)}">the file is missing</div>'
    if small:
        kind = "png" if small.startswith(b"\x89PNG") else "webp"
        uri = f"data:image/{kind};base64,{base64.b64encode(small).decode()}"
        picture = (
            f'<img src="{uri}" alt="{_text(alt)}" width="{item.size.width_px}" '
            f'height="{item.size.height_px}" loading="lazy" decoding="async">'
        )
    parts = []
    if item.title:
        parts.append(f'<h2 dir="auto">{_text(item.title)}</h2>')
    if item.sample:
        parts.append('<span class="sample">sample</span>')
    if "prompt" in groups and item.prompt:
        parts.append(f'<p class="prompt" dir="auto">{_text(item.prompt)}</p>')
    caption = fields.caption_text(item) if "caption" in groups else ""
    if caption:
        parts.append(f'<p dir="auto">{_text(caption)}</p>')
    tags = xmp.tags(item, groups)
    if tags:
        entries = "".join(f'<li dir="auto">{_text(tag)}</li>' for tag in tags)
        parts.append(f'<ul aria-label="Tags">{entries}</ul>')
    facts = "".join(
        f'<dt>{name}</dt><dd dir="auto">{_text(value)}</dd>' for name, value in _facts(item, groups)
    )
    if facts:
        parts.append(f"<details><summary>More</summary><dl>{facts}</dl></details>")
    below = f"<figcaption>{''.join(parts)}</figcaption>" if parts else ""
    return f'<figure id="{esc(item.id)}">{picture}{below}</figure>\n'


def _facts(item: GalleryItem, groups: frozenset[str]) -> Iterator[tuple[str, str]]:
    by_group: tuple[tuple[str, str, object], ...] = (
        ("model", "Model", item.model),
        ("model", "Quality", item.quality),
        ("model", "Size", str(item.size) if item.kind != "photo" else ""),
        ("cost", "Billed", _dollars(item)),
        ("note", "Note", item.note),
        ("rating", "Stars", "★" * (item.rating or 0)),
        ("collection", "Collection", item.collection),
        ("name", "Name", item.name),
        ("time", "Time", f"{item.created_at:%Y-%m-%d %H:%M} UTC"),
        ("file", "SHA-256", item.sha256),
    )
    for group, name, value in by_group:
        if group in groups and value:
            yield name, str(value)


def _dollars(item: GalleryItem) -> str:
    total = fields.total_billed(item)
    return "unknown" if total is None else money.short(total)


def _text(text: str) -> str:
    return esc(printable(text, keep_newlines=True))
