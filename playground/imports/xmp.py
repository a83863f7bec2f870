"""XMP packets of strangers: the properties that describe a picture.

A packet with a document type or entities is refused, because nothing good is in there: that is
how a kilobyte of XML becomes a gigabyte, or reads a file. Sources: ISO 16684-1:2019; the
property names as in `exports.xmp`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any, cast

MAX_BYTES = 2 << 20
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_MAX_ENTRIES = 1_000
_MAX_DEPTH = 40
_SPACES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "urn:x-halfpenny:gallery:1.0:": "halfpenny",
}


def read(packet: bytes) -> dict[str, list[str]]:
    """Values by property name (`dc:title`); an empty dict for what is no packet."""
    if not packet or len(packet) > MAX_BYTES:
        return {}
    text = packet.strip(b"\0 \r\n\t")
    # ASCII within UTF-16 has zero bytes between; without them the words are found in both.
    bare = text.replace(b"\0", b"")
    if b"<!DOCTYPE" in bare or b"<!ENTITY" in bare:
        return {}
    try:
        tree = _parsed(text)
    except (ET.ParseError, ValueError, LookupError):
        return {}
    if tree is None:
        return {}
    found: dict[str, list[str]] = {}
    for description in tree.iter(f"{_RDF}Description"):
        for name, value in description.attrib.items():
            _add(found, name, value)
        for child in description:
            for value in _values(child):
                _add(found, child.tag, value)
    return found


def _parsed(text: bytes) -> ET.Element | None:
    """The tree, unless it is deeper than any packet: each level is walked once per level."""
    # No entity can be declared, see above.
    parser: ET.XMLPullParser[Any] = ET.XMLPullParser(events=("start", "end"))
    parser.feed(text)
    parser.close()
    root: ET.Element | None = None
    depth = 0
    for event, element in cast("Iterator[tuple[str, Any]]", parser.read_events()):
        depth += 1 if event == "start" else -1
        if depth > _MAX_DEPTH:
            return None
        root = element if root is None else root
    return root


def _add(found: dict[str, list[str]], tag: str, value: str) -> None:
    space, _, name = tag[1:].partition("}") if tag.startswith("{") else ("", "", "")
    prefix = _SPACES.get(space)
    if prefix is None or not value.strip():
        return
    values = found.setdefault(f"{prefix}:{name}", [])
    if len(values) < _MAX_ENTRIES:
        values.append(value)


def _values(node: ET.Element) -> Iterator[str]:
    """The text of a property, or of the entries of its list; the default language first."""
    entries = list(node.iter(f"{_RDF}li"))
    if not entries:
        yield "".join(node.itertext())
        return
    entries.sort(key=lambda entry: entry.get(_LANGUAGE, "x-default") != "x-default")
    for entry in entries[:_MAX_ENTRIES]:
        yield "".join(entry.itertext())
