"""XMP packets: an item's words in the properties that other programs read.

| property | from |
|---|---|
| dc:title, photoshop:Headline | title |
| dc:description, photoshop:CaptionWriter | the caption, and the model that wrote it |
| Iptc4xmpCore:AltTextAccessibility | alt text, else a model's draft of one |
| dc:subject | tags, the owner's first |
| xmp:Rating | stars |
| Iptc4xmpExt:DigitalSourceType | how the picture came to be (always, for what was generated) |
| Iptc4xmpExt:AIPromptInformation, AISystemUsed | prompt, model |
| photoshop:DateCreated | the time, of what was generated here |
| halfpenny:… | id, kind, and what was asked for: quality, cost, note, collection, name |

Sources: ISO 16684-1:2019 (XMP); Adobe, XMP Specification Part 3 (2020), for where packets go and
their limits; IPTC Photo Metadata Standard 2025.1 for property names and the AI properties; IPTC
NewsCodes "digitalsourcetype".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

from playground import money
from playground._version import __version__
from playground.exports import fields
from playground.values import GalleryItem

OWN_NAMESPACE = "urn:x-halfpenny:gallery:1.0:"
JPEG_LIMIT_BYTES = 65_502
"""What fits into one APP1 segment behind its name (XMP Part 3, 1.1.3)."""
_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "halfpenny": OWN_NAMESPACE,
}
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEAST_CHARS = 16


def packet(
    item: GalleryItem, groups: frozenset[str], *, limit_bytes: int | None = None
) -> tuple[bytes, bool]:
    """The packet for an item, and whether texts were cut to fit into `limit_bytes`."""
    most = None
    while True:
        made = _packet(item, groups, most)
        if limit_bytes is None or len(made) <= limit_bytes:
            return made, most is not None
        longest = max(map(len, _texts(item, groups)), default=0)
        most = (most or longest) // 2
        if most < _LEAST_CHARS:
            return _packet(item, frozenset(), _LEAST_CHARS), True


def _packet(item: GalleryItem, groups: frozenset[str], most: int | None) -> bytes:
    spaces = "\n".join(f'    xmlns:{name}="{uri}"' for name, uri in _NAMESPACES.items())
    body = "\n".join(f"   {line}" for line in _properties(item, groups, most))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Halfpenny {__version__}">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about=""\n{spaces}>\n{body}\n'
        "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="w"?>\n'
    ).encode()


def _properties(item: GalleryItem, groups: frozenset[str], most: int | None) -> Iterable[str]:
    def text(value: str) -> str:
        fit = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value[:most])
        return escape(fit, {"\r": "&#13;"})  # which a parser would take for a line break

    def plain(name: str, value: object) -> Iterable[str]:
        if value not in (None, ""):
            yield f"<{name}>{text(str(value))}</{name}>"

    def spoken(name: str, value: str) -> Iterable[str]:
        if value:
            words = f'<rdf:li xml:lang="x-default">{text(value)}</rdf:li>'
            yield f"<{name}><rdf:Alt>{words}</rdf:Alt></{name}>"

    yield from plain("halfpenny:Id", item.id)
    yield from plain("halfpenny:Kind", item.kind)
    yield from plain("halfpenny:Sample", "True" if item.sample else "")
    yield from plain("Iptc4xmpExt:DigitalSourceType", source_type(item))
    yield from spoken("dc:title", item.title)
    yield from plain("photoshop:Headline", item.title)
    yield from spoken("Iptc4xmpCore:AltTextAccessibility", alt(item, groups))
    if "caption" in groups:
        found = fields.best(item, "describe")
        if found is not None:
            yield from spoken("dc:description", found.text)
            if found.model not in {fields.OWNER, fields.UNNAMED}:
                yield from plain("photoshop:CaptionWriter", found.model)
    subjects = tags(item, groups)
    if subjects:
        entries = "".join(f"<rdf:li>{text(tag)}</rdf:li>" for tag in subjects)
        yield f"<dc:subject><rdf:Bag>{entries}</rdf:Bag></dc:subject>"
    if "rating" in groups and item.rating:
        yield from plain("xmp:Rating", item.rating)
    if "prompt" in groups:
        yield from plain("Iptc4xmpExt:AIPromptInformation", item.prompt)
    if "model" in groups:
        yield from plain("Iptc4xmpExt:AISystemUsed", item.model)
        yield from plain("halfpenny:AskedSize", item.asked_size)
        yield from plain("halfpenny:Quality", item.quality)
        yield from plain("halfpenny:Tier", item.tier)
    if "time" in groups and item.attempt_id is not None:  # else it only says when it was taken in
        yield from plain("photoshop:DateCreated", item.created_at.isoformat())
    if "cost" in groups:
        for name, amount in (
            ("QuotedLow", item.quoted_low),
            ("QuotedHigh", item.quoted_high),
            ("Billed", item.billed),
            ("TotalBilled", fields.total_billed(item)),
        ):
            yield from plain(f"halfpenny:{name}", None if amount is None else money.plain(amount))
    for group, name in (("note", "Note"), ("collection", "Collection"), ("name", "Name")):
        if group in groups:
            yield from plain(f"halfpenny:{name}", getattr(item, group))
    if "file" in groups:
        yield from plain("halfpenny:OriginalSha256", item.sha256)


def _texts(item: GalleryItem, groups: frozenset[str]) -> list[str]:
    found = fields.best(item, "describe") if "caption" in groups else None
    texts = [item.title, alt(item, groups), found.text if found else "", *tags(item, groups)]
    return [*texts, item.prompt, item.note, item.collection, item.name]


def alt(item: GalleryItem, groups: frozenset[str]) -> str:
    """The alt text that goes along: the owner's, else a model's draft when captions do."""
    draft = fields.best(item, "alt") if "caption" in groups else None
    return item.alt or (draft.text if draft else "")


def tags(item: GalleryItem, groups: frozenset[str]) -> tuple[str, ...]:
    """The tags that go along: the owner's, and a model's when captions do."""
    own = item.tags if "tags" in groups else ()
    found = fields.best(item, "tags") if "caption" in groups else None
    return tuple(dict.fromkeys((*own, *(found.tags if found else ()))))


def source_type(item: GalleryItem) -> str:
    """The IPTC word for how a picture was made; "" for photos, of which we do not know it."""
    if item.kind == "photo":
        return ""
    if item.sample:
        return f"{_SOURCE_TYPES}algorithmicMedia"  # drawn by the embedded provider: no training
    if item.kind == "edit":
        return f"{_SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
    return f"{_SOURCE_TYPES}trainedAlgorithmicMedia"
