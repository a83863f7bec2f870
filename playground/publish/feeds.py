"""Feeds of a published site (Atom and JSON Feed), its map for search engines, its robots file."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playground.publish.entries import Entry
from playground.render import esc

if TYPE_CHECKING:
    from playground.publish.pictures import Picture

MAX_ITEMS = 60
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True)
class Site:
    """What feeds say about a site; `base_url` is "" when nobody knows where it will be."""

    title: str
    base_url: str
    published: dt.datetime

    def at(self, entry: Entry) -> dt.datetime:
        """When an entry's picture was made, as far as that was published."""
        if entry.date is None:
            return self.published
        return dt.datetime.combine(entry.date, dt.time(12), dt.UTC)


def _social(files: Sequence[Picture]) -> Picture | None:
    return next((picture for picture in files if picture.what == "social"), None)


def atom(site: Site, entries: Sequence[Entry], files: Mapping[str, Sequence[Picture]]) -> str:
    """The newest entries as Atom; links are relative to the feed without a base address."""
    parts = []
    for entry in entries[:MAX_ITEMS]:
        page = f"{site.base_url}item/{entry.id}.html"
        picture = _social(files[entry.id])
        enclosure = ""
        if picture:
            address = f"{site.base_url}pictures/{picture.name}"
            enclosure = (
                f'<link rel="enclosure" type="image/jpeg" length="{picture.size_bytes}" '
                f'href="{esc(address)}"/>'
            )
        parts.append(
            f"<entry><id>urn:halfpenny:{entry.id}</id><title>{esc(entry.label)}</title>"
            f"<updated>{site.at(entry).isoformat()}</updated>"
            f'<link rel="alternate" type="text/html" href="{esc(page)}"/>{enclosure}'
            f"<summary>{esc(entry.alt)}</summary></entry>\n"
        )
    self_link = f'<link rel="self" href="{esc(site.base_url)}feed.xml"/>'
    first = entries[0].id if entries else "empty"
    feed_id = site.base_url or f"urn:halfpenny:feed:{first}"
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="{_ATOM}">\n'
        f"<id>{esc(feed_id)}</id><title>{esc(site.title)}</title>"
        f"<author><name>{esc(site.title)}</name></author>"
        f"<updated>{site.published.isoformat()}</updated>{self_link}"
        f'<link rel="alternate" type="text/html" href="{esc(site.base_url)}index.html"/>\n'
        f"{''.join(parts)}</feed>\n"
    )


def json_feed(site: Site, entries: Sequence[Entry], files: Mapping[str, Sequence[Picture]]) -> str:
    """The newest entries as JSON Feed 1.1."""
    items = []
    for entry in entries[:MAX_ITEMS]:
        picture = _social(files[entry.id])
        items.append(
            {
                "id": entry.id,
                "url": f"{site.base_url}item/{entry.id}.html",
                "title": entry.label,
                "content_text": entry.alt,
                "date_published": site.at(entry).isoformat(),
                **({"image": f"{site.base_url}pictures/{picture.name}"} if picture else {}),
                **({"tags": list(entry.tags)} if entry.tags else {}),
            }
        )
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": site.title,
        "home_page_url": f"{site.base_url}index.html",
        "feed_url": f"{site.base_url}feed.json",
        "items": items,
    }
    return json.dumps(feed, ensure_ascii=False, indent=1) + "\n"


def sitemap(site: Site, entries: Sequence[Entry], more: Sequence[str] = ()) -> str:
    """Every page, for search engines (at most the 50,000 that a map may hold)."""
    pages = ["", *more, *(f"item/{entry.id}.html" for entry in entries)][:50_000]
    urls = "".join(f"<url><loc>{esc(site.base_url + page)}</loc></url>\n" for page in pages)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="{space}">\n{urls}</urlset>\n'


def robots(site: Site) -> str:
    """Everything here may be read; where the map is."""
    where = f"Sitemap: {site.base_url}sitemap.xml\n" if site.base_url else ""
    return f"User-agent: *\nAllow: /\n{where}"
