"""The static site: pages, data and feeds that need no server, also opened from a disk.

Everything is beside the page (no CDN, no request to anybody), scripts come in files (a strict
content policy holds, without inline handlers), data come as scripts (a page from a disk may not
read other files), and texts are data that the script shows with `textContent`. The first
pictures are plain HTML, and so is every picture's own page.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground import money
from playground.publish import feeds, records
from playground.publish.boards import MARKS, Board, places_of
from playground.publish.entries import Entry
from playground.publish.query import SORTS
from playground.render import esc

if TYPE_CHECKING:
    from playground.publish.pictures import Picture

CHUNK = 500  # pictures a data file: the first is small enough to come at once
FIRST = 40  # pictures in plain HTML
_PAGE = Path(__file__).parent / "page"
_SHARED = Path(__file__).parent.parent / "widgets"
SCRIPTS = ("sphere.js", "lightbox.js", "wall.js")
_SAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; script-src 'self'; style-src 'self'{styles}; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
_SEARCH_ICON = "M10.5 10.5 14 14M12 7A5 5 0 1 1 2 7a5 5 0 0 1 10 0Z"
_THEME_ICON = "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11"


def script(*own: str) -> str:
    """The script of a published page: the shared parts, then `own` files of this folder."""
    parts = [(_SHARED / "base.js").read_text(encoding="utf-8")]
    parts += [(_PAGE / name).read_text(encoding="utf-8") for name in (*SCRIPTS, *own)]
    return "\n".join(parts)


def style() -> str:
    """The style sheet of a published page, after the one that all pages share."""
    shared = (_SHARED / "base.css").read_text(encoding="utf-8")
    return shared + "\n" + (_PAGE / "page.css").read_text(encoding="utf-8")


def one_line(text: str) -> str:
    """The text with single spaces."""
    return " ".join(text.split())


def write(
    folder: Path,
    entries: Sequence[Entry],
    files: Mapping[str, Sequence[Picture]],
    *,
    title: str,
    base_url: str,
    fields: Sequence[str],
    published: dt.datetime,
    boards: Sequence[Board] = (),
) -> None:
    """Write the site into `folder`, whose `pictures` are there already."""
    (folder / "data").mkdir()
    (folder / "item").mkdir()
    _put(folder / "gallery.js", f"(() => {{\n'use strict';\n{script('local.js')}\n}})();\n")
    _put(folder / "gallery.css", style())
    _data(folder, entries, files, title, fields)
    index = _index(entries, files, title=title, base_url=base_url, boards=boards)
    _put(folder / "index.html", index)
    for place, entry in enumerate(entries):
        before = entries[place - 1] if place else None
        after = entries[place + 1] if place + 1 < len(entries) else None
        page = _item(
            entry, files[entry.id], before, after, title=title, base_url=base_url, boards=boards
        )
        _put(folder / "item" / f"{entry.id}.html", page)
    if boards:
        (folder / "board").mkdir()
        by_id = {entry.id: entry for entry in entries}
        for board in boards:
            page = _board(board, boards, by_id, files, title=title, base_url=base_url)
            _put(folder / "board" / f"{board.id}.html", page)
    site = feeds.Site(title, base_url, published)
    _put(folder / "feed.xml", feeds.atom(site, entries, files))
    _put(folder / "feed.json", feeds.json_feed(site, entries, files))
    _put(folder / "robots.txt", feeds.robots(site))
    if base_url:
        pages = [f"board/{board.id}.html" for board in boards]
        _put(folder / "sitemap.xml", feeds.sitemap(site, entries, pages))
    _put(folder / "_headers", _HEADERS)
    _put(folder / ".nojekyll", "")


# Read by several web hosts: a policy in a page cannot forbid that others frame it.
_HEADERS = """/*
  X-Content-Type-Options: nosniff
  X-Frame-Options: SAMEORIGIN
  Referrer-Policy: strict-origin-when-cross-origin
  Permissions-Policy: camera=(), microphone=(), geolocation=(), payment=(), usb=()
/pictures/*
  Cache-Control: public, max-age=31536000, immutable
"""


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def as_script(*values: Any) -> str:
    """Values as arguments in a script: nothing in them can end it or begin markup."""
    texts = (json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in values)
    return ",".join(texts).translate(_SAFE)


def _data(
    folder: Path,
    entries: Sequence[Entry],
    files: Mapping[str, Sequence[Picture]],
    title: str,
    fields: Sequence[str],
) -> None:
    chunks = range(0, len(entries), CHUNK)
    for number, start in enumerate(chunks):
        part = entries[start : start + CHUNK]
        for kind, values in (
            ("items", [records.card(e, large=_has_large(files[e.id])) for e in part]),
            ("words", [records.words(entry) for entry in part]),
        ):
            text = f"halfpenny({as_script(kind, number, values)});\n"
            _put(folder / "data" / f"{kind}-{number}.js", text)
    index = {
        "title": title,
        "count": len(entries),
        "chunk": CHUNK,
        "chunks": len(chunks),
        "fields": list(fields),
        "sorts": sorts(entries),
        "facets": records.counts(entries),
    }
    _put(folder / "data" / "index.js", f"halfpenny({as_script('index', index)});\n")
    for entry in entries:
        if entry.panorama:
            _around(folder, entry, files[entry.id])


def _has_large(files: Sequence[Picture]) -> bool:
    return any(picture.what == "large" for picture in files)


def _around(folder: Path, entry: Entry, files: Sequence[Picture]) -> None:
    """A panorama as text, which a page from a disk may look at pixel by pixel."""
    by = {picture.what: picture for picture in files}
    picture = by.get("large") or by["medium"]
    data = (folder / "pictures" / picture.name).read_bytes()
    address = "data:image/webp;base64," + base64.b64encode(data).decode()
    text = f"halfpenny({as_script('around', entry.id, address)});\n"
    _put(folder / "data" / f"around-{entry.id}.js", text)


def sorts(entries: Sequence[Entry]) -> list[str]:
    """The orders that make sense with what was published."""
    no_use = set()
    if not any(entry.rating for entry in entries):
        no_use.add("best")
    if not any(entry.cost is not None for entry in entries):
        no_use |= {"dearest", "cheapest"}
    return [name for name in SORTS if name not in no_use]


def _head(
    title: str,
    description: str,
    *,
    up: str,
    base_url: str,
    path: str,
    picture: Picture | None,
    alt: str,
    styles: str = "",
    kind: str = "website",
    scripts: Sequence[str] = (),
) -> str:
    allowed = ""
    if styles:
        digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
        allowed = f" 'sha256-{digest}'"
    tags = {
        "og:type": kind,
        "og:title": title,
        "og:description": description,
        "og:url": f"{base_url}{path}" if base_url else "",
    }
    names = {"twitter:card": "summary_large_image" if picture else "summary"}
    if picture:
        tags |= {
            "og:image": f"{base_url or up}pictures/{picture.name}",
            "og:image:type": "image/jpeg",
            "og:image:width": str(picture.width_px),
            "og:image:height": str(picture.height_px),
            "og:image:alt": alt,
        }
    social = "".join(
        f'<meta property="{name}" content="{esc(value)}">\n'
        for name, value in tags.items()
        if value
    ) + "".join(f'<meta name="{name}" content="{esc(value)}">\n' for name, value in names.items())
    canonical = f'<link rel="canonical" href="{esc(base_url + path)}">\n' if base_url else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(styles=allowed)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="strict-origin-when-cross-origin">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{esc(title)}</title>\n"
        f'<meta name="description" content="{esc(description)}">\n{social}{canonical}'
        f'<link rel="icon" href="data:,">\n<link rel="stylesheet" href="{up}gallery.css">\n'
        + (f"<style>{styles}</style>\n" if styles else "")
        + f'<link rel="alternate" type="application/atom+xml" title="Atom" href="{up}feed.xml">\n'
        f'<link rel="alternate" type="application/feed+json" title="JSON" href="{up}feed.json">\n'
        + "".join(f'<script src="{name}" defer></script>\n' for name in scripts)
        + "</head>\n"
    )


def _svg(path: str) -> str:
    return (
        '<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="'
        f'{path}" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linejoin="round" '
        'stroke-linecap="round"></path></svg>'
    )


def ratios(entries: Sequence[Entry]) -> str:
    """The shapes of the first tiles, so that nothing moves when pictures or script arrive."""
    return "".join(
        f".pub-wall li:nth-child({n}){{--r:{max(0.3, min(5, e.width_px / e.height_px)):.4f}}}"
        for n, e in enumerate(entries[:FIRST], 1)
    )


def tiles(entries: Sequence[Entry], *, pictures: str = "pictures/", page: str = "item/") -> str:
    """The first pictures as plain HTML."""
    made = []
    for place, entry in enumerate(entries[:FIRST]):
        hint = ' fetchpriority="high"' if place < 6 else ' loading="lazy"' if place >= 24 else ""
        badge = '<span class="hp-badge">sample</span>' if entry.sample else ""
        made.append(
            f'<li><a class="pub-tile" data-id="{entry.id}" href="{page}{entry.id}.html">'
            f'<img src="{pictures}{entry.id}-s.webp" alt="{esc(one_line(entry.alt)[:240])}" '
            f'width="{entry.width_px}" height="{entry.height_px}" decoding="async" '
            f'draggable="false"{hint}>{badge}</a></li>\n'
        )
    return "".join(made)


def board_links(boards: Sequence[Board], up: str = "", here: str = "") -> str:
    """Links to the challenge boards; empty without one."""
    links = "".join(
        f'<a href="{up}board/{board.id}.html"{_current(board.id == here)}>{esc(board.name)}</a>'
        for board in boards
    )
    if not links:
        return ""
    return f'<nav class="pub-boards" aria-label="Challenges"><span>Challenges</span>{links}</nav>'


def _current(here: bool) -> str:
    return ' aria-current="page"' if here else ""


def frame(title: str, count: int, wall: str, foot: str = "", boards: str = "") -> str:
    """What stands on the page from the first moment: head, tools, wall; the script binds to it."""
    noun = "picture" if count == 1 else "pictures"
    return (
        '<a class="pub-skip" href="#pictures">Skip to the pictures</a>\n'
        f'<header class="hp-head"><h1>{esc(title)}</h1>'
        f'<p class="pub-count" role="status">{count:,} {noun}</p>{boards}</header>\n'
        '<div class="pub-tools"><form role="search"><label class="hp-searchbox">'
        f"{_svg(_SEARCH_ICON)}"
        '<input type="search" class="hp-search" placeholder="Search" '
        'aria-label="Search titles, prompts, captions, tags and descriptions" autocomplete="off" '
        'spellcheck="false" maxlength="300" enterkeyhint="search"><kbd aria-hidden="true">/</kbd>'
        "</label></form>"
        '<select class="hp-select pub-sort" aria-label="Order"><option>Newest first</option>'
        "</select>"
        '<button type="button" class="hp-button pub-filters" aria-expanded="false" '
        'aria-controls="filters">Filters</button>'
        '<button type="button" class="hp-button pub-theme" aria-label="Switch light and dark '
        f'colours">{_svg(_THEME_ICON)}</button></div>\n'
        '<div class="pub-body"><nav class="pub-rail" id="filters" aria-label="Filters"></nav>'
        '<main id="pictures" tabindex="-1"><div class="hp-chips pub-chips"></div>'
        f'<ul class="pub-wall" role="list" aria-label="Pictures">\n{wall}</ul>'
        '<section class="pub-nothing" hidden></section></main></div>\n'
        f'<footer class="pub-foot">{foot}</footer>\n'
    )


def _index(
    entries: Sequence[Entry],
    files: Mapping[str, Sequence[Picture]],
    *,
    title: str,
    base_url: str,
    boards: Sequence[Board],
) -> str:
    first = entries[0]
    count = f"{len(entries):,} {'picture' if len(entries) == 1 else 'pictures'}"
    head = _head(
        title,
        f"{count}, with search and filters.",
        up="",
        base_url=base_url,
        path="",
        picture=_social(files[first.id]),
        alt=one_line(first.alt)[:240],
        styles=ratios(entries),
        scripts=("gallery.js", "data/items-0.js", "data/index.js"),
    )
    foot = (
        '<p>Made with Halfpenny</p><p><a href="feed.xml">Feed</a></p>'
        "<noscript><p>Search and filters need JavaScript. Without it, every picture leads to a "
        "page of its own, and from there to the next.</p></noscript>"
    )
    body = frame(title, len(entries), tiles(entries), foot, board_links(boards))
    return f'{head}<body class="hp pub">\n{body}</body>\n</html>\n'


def _social(files: Sequence[Picture]) -> Picture | None:
    return next((picture for picture in files if picture.what == "social"), None)


_KIND = {"image": "Generated picture", "edit": "Edited picture", "photo": "Photograph"}


def _item(
    entry: Entry,
    files: Sequence[Picture],
    before: Entry | None,
    after: Entry | None,
    *,
    title: str,
    base_url: str,
    boards: Sequence[Board],
) -> str:
    alt = one_line(entry.alt)
    head = _head(
        f"{entry.label} · {title}",
        alt[:300],
        up="../",
        base_url=base_url,
        path=f"item/{entry.id}.html",
        picture=_social(files),
        alt=alt[:240],
        kind="article",
    )
    by = {picture.what: picture for picture in files}
    large = by.get("large") or by["medium"]
    sources = ", ".join(
        f"../pictures/{by[what].name} {by[what].width_px}w"
        for what in ("small", "medium", "large")
        if what in by
    )
    turn = "".join(
        f'<a href="{other.id}.html" rel="{rel}">{esc(word)}</a>'
        for other, rel, word in ((before, "prev", "← Previous"), (after, "next", "Next →"))
        if other
    )
    if entry.parent:
        turn += f'<a href="{entry.parent}.html">The picture that it was edited from</a>'
    return (
        f'{head}<body class="hp pub">\n<header class="hp-head"><p><a href="../index.html">'
        f"← {esc(title)}</a></p></header>\n"
        f'<main class="pub-item"><figure><img src="../pictures/{by["medium"].name}" '
        f'srcset="{sources}" sizes="(max-width: 859px) 100vw, calc(100vw - 440px)" '
        f'alt="{esc(alt)}" width="{entry.width_px}" height="{entry.height_px}"></figure>'
        f'<div class="pub-panel"><h1>{esc(entry.label)}</h1>{_texts(entry)}'
        f'<dl class="hp-facts">{_facts(entry)}{_challenges(entry, boards)}</dl>'
        f'<p class="pub-turn"><a href="../index.html#/item/{entry.id}">Open in the gallery</a>'
        f'<a href="../pictures/{large.name}">The picture alone</a></p>'
        f'<nav class="pub-turn" aria-label="Other pictures">{turn}</nav></div></main>\n'
        "</body>\n</html>\n"
    )


def _challenges(entry: Entry, boards: Sequence[Board]) -> str:
    return "".join(
        f'<dt>Challenge</dt><dd><a href="../board/{board.id}.html">{esc(board.name)}</a>, place '
        f"{rank} of {len(board.places)}, {place.mark}</dd>"
        for board, rank, place in places_of(boards, entry.id)
    )


def _board(
    board: Board,
    boards: Sequence[Board],
    entries: Mapping[str, Entry],
    files: Mapping[str, Sequence[Picture]],
    *,
    title: str,
    base_url: str,
) -> str:
    count = len(board.places)
    told = f"{count:,} {'picture' if count == 1 else 'pictures'} within the rules: {board.rules}."
    first = entries[board.places[0].id]
    head = _head(
        f"{board.name} challenge · {title}",
        told,
        up="../",
        base_url=base_url,
        path=f"board/{board.id}.html",
        picture=_social(files[first.id]),
        alt=one_line(first.alt)[:240],
    )
    rows = []
    for rank, place in enumerate(board.places, 1):
        entry = entries[place.id]
        stars = "★" * place.stars
        said = f"{place.stars} of 5 stars" if place.stars else "no stars"
        page = f"../item/{entry.id}.html"
        rows.append(
            f'<tr role="row">{_cell("pub-rank", str(rank))}'
            f'<td role="cell" class="pub-shot"><a href="{page}" tabindex="-1" aria-hidden="true">'
            f'<img src="../pictures/{entry.id}-s.webp" alt="" width="{entry.width_px}" '
            f'height="{entry.height_px}" loading="lazy"></a></td>'
            f'<th role="rowheader" scope="row"><a href="{page}">{esc(entry.label)}</a></th>'
            f'<td role="cell" class="pub-stars"><span aria-hidden="true">{stars}</span>'
            f'<span class="pub-said">{said}</span></td>'
            f"{_cell('pub-money', money.short(place.billed))}"
            f"{_cell('pub-money', f'{place.prompt_tokens:,} + {place.output_tokens:,}')}"
            f'<td role="cell" class="pub-mark pub-{place.mark}" title="{esc(MARKS[place.mark])}">'
            f"{place.mark}{' ✓' if place.mark == 'verified' else ''}</td></tr>\n"
        )
    names = ("Place", "", "Picture", "Stars", "Billed", "Tokens, prompt + picture", "Bill")
    columns = "".join(
        f'<th role="columnheader" scope="col">{name}</th>' if name else "<td></td>"
        for name in names
    )
    return (
        f'{head}<body class="hp pub">\n<header class="hp-head"><p><a href="../index.html">'
        f"← {esc(title)}</a></p>{board_links(boards, '../', board.id)}</header>\n"
        f'<main class="pub-challenge"><h1>{esc(board.name)} challenge</h1><p>{esc(told)}</p>'
        f'<table role="table" class="pub-board"><thead><tr role="row">{columns}</tr></thead>\n'
        f"<tbody>{''.join(rows)}"
        "</tbody></table>\n<p>Ranked by the stars that the owner gave, then by the smaller bill. "
        "<b>Verified</b>: what was billed follows from the tokens at the prices of that day. "
        "<b>Practice</b>: a sample of the embedded provider, nobody was charged.</p></main>\n"
        "</body>\n</html>\n"
    )


def _cell(kind: str, text: str) -> str:
    return f'<td role="cell" class="{kind}">{text}</td>'


def _texts(entry: Entry) -> str:
    parts = [("Prompt", entry.prompt)]
    parts += [
        (f"Caption by {words.by}" if words.by else "Caption", words.text)
        for words in entry.captions
    ]
    parts.append(("Note", entry.note))
    return "".join(
        f'<section><h3>{esc(name)}</h3><p class="pub-text">{esc(text)}</p></section>'
        for name, text in parts
        if text
    )


def _facts(entry: Entry) -> str:
    rows = (
        ("Kind", _KIND[entry.kind] + (" (sample)" if entry.sample else "")),
        ("Size", f"{entry.width_px} × {entry.height_px}"),
        ("Model", entry.model),
        ("Quality", entry.quality),
        ("Billed", "" if entry.cost is None else money.short(entry.cost)),
        ("Rating", f"{entry.rating} of 5 stars" if entry.rating else ""),
        ("Tags", ", ".join(entry.tags)),
        ("Collection", entry.collection),
        ("Date", entry.date.isoformat() if entry.date else ""),
    )
    return "".join(f"<dt>{name}</dt><dd>{esc(value)}</dd>" for name, value in rows if value)
