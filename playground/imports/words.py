"""What a picture file says about itself, as it is kept: cleaned, cut, and told where from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace

from playground.exports.fields import UNNAMED
from playground.imports import embedded, generators, iptc, xmp
from playground.imports.made import size_of
from playground.store import Words
from playground.store.records import KINDS, Kind

MAX_PROMPT_CHARS = 32_000
MAX_NOTE_CHARS = 8_000
MAX_TITLE_CHARS = 500
MAX_ALT_CHARS = 2_000
MAX_CAPTION_BYTES = 4_096
MAX_TAGS = 64
MAX_TAG_CHARS = 64
BY = UNNAMED
"""The `model` of a caption whose writer is not told."""
# Cameras and programs fill these in by themselves.
_EMPTY_CAPTIONS = re.compile(
    r"(olympus digital camera|digital camera|default|untitled|sony dsc|dcim|minolta.*|"
    r"kodak.*|samsung.*|created with gimp|file source:.*|screenshot|charset=.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What a file or its sidecar tells; "" and None where it tells nothing.

    `own_id` and `own_sha256` name the gallery item that a copy of ours was made of.
    """

    kind: Kind = "photo"
    prompt: str = ""
    model: str | None = None
    asked_size: str | None = None
    quality: str | None = None
    title: str = ""
    alt: str = ""
    note: str = ""
    rating: int = 0
    collection: str = ""
    tags: tuple[str, ...] = ()
    captions: tuple[Words, ...] = ()
    source: str = ""
    own_id: str = ""
    own_sha256: str = ""
    sample: bool = False


def about(data: bytes, format_: str, sidecar: bytes = b"") -> Known:
    """What a picture's texts, and those of its XMP sidecar, say; the sidecar counts first."""
    found = embedded.read(data, format_)
    beside = xmp.read(sidecar)
    packet = {**xmp.read(found.xmp), **beside}
    fields = iptc.read(found.iptc)
    if not (found or packet):
        return Known()
    made = generators.recognise(found, packet)
    ours = bool(packet.get("halfpenny:Id"))
    prompt = _first(packet, "Iptc4xmpExt:AIPromptInformation") or (made.prompt if made else "")
    model = _first(packet, "Iptc4xmpExt:AISystemUsed") or (made.model if made else "")
    size = size_of(_first(packet, "halfpenny:AskedSize") or (made.size if made else ""))
    note = _first(packet, "halfpenny:Note")
    if made is not None and not ours:
        negative = f"\nNegative prompt: {made.negative}" if made.negative else ""
        note = f"Made with {made.tool}{negative}\n{made.settings}".strip()
    foreign = "" if made is None else made.tool
    if not foreign and (packet or fields or found.exif):
        foreign = "XMP sidecar" if beside else "photo metadata"
    known = Known(
        kind=_kind(packet, generated=made is not None),
        prompt=text(prompt, MAX_PROMPT_CHARS),
        model=text(model, 200, one_line=True) or None,
        asked_size=size or None,
        quality=text(_first(packet, "halfpenny:Quality"), 64, one_line=True) or None,
        title=text(_title(found, packet, fields, made is not None), MAX_TITLE_CHARS, one_line=True),
        alt=text(_first(packet, "Iptc4xmpCore:AltTextAccessibility"), MAX_ALT_CHARS),
        note=text(note, MAX_NOTE_CHARS),
        rating=_rating(packet, found.exif),
        collection=text(_first(packet, "halfpenny:Collection"), 200, one_line=True),
        tags=_tags(found, packet, fields),
        captions=_captions(found, packet, fields, made is not None, prompt),
        own_id=_first(packet, "halfpenny:Id")[:64],
        own_sha256=_first(packet, "halfpenny:OriginalSha256")[:64],
        sample=_first(packet, "halfpenny:Sample") == "True",
    )
    if ours:
        return replace(known, source="Halfpenny export")
    tells = any(
        (known.prompt, known.title, known.alt, known.note, known.rating, known.tags, known.captions)
    )
    return replace(known, source=foreign) if tells else Known(kind=known.kind)


def _first(packet: Mapping[str, list[str]], name: str) -> str:
    return next(iter(packet.get(name, ())), "").strip()


def _kind(packet: Mapping[str, list[str]], *, generated: bool) -> Kind:
    told = _first(packet, "halfpenny:Kind")
    for kind in KINDS:
        if told == kind:
            return kind
    how = _first(packet, "Iptc4xmpExt:DigitalSourceType").rpartition("/")[2]
    if how == "compositeWithTrainedAlgorithmicMedia":
        return "edit"
    return "image" if generated or how == "trainedAlgorithmicMedia" else "photo"


def _title(
    found: embedded.Embedded,
    packet: Mapping[str, list[str]],
    fields: Mapping[str, list[str]],
    generated: bool,
) -> str:
    return next(
        filter(
            None,
            (
                _first(packet, "dc:title"),
                _first(packet, "photoshop:Headline"),
                _first(fields, "title"),
                _first(fields, "headline"),
                found.exif.get("XPTitle", ""),
                "" if generated else found.texts.get("Title", ""),
            ),
        ),
        "",
    )


def _captions(
    found: embedded.Embedded,
    packet: Mapping[str, list[str]],
    fields: Mapping[str, list[str]],
    generated: bool,
    prompt: str,
) -> tuple[Words, ...]:
    candidates = [
        _first(packet, "dc:description"),
        _first(fields, "caption"),
        found.exif.get("ImageDescription", ""),
        found.exif.get("XPComment", ""),
    ]
    if not generated:
        comment = found.texts.get("Comment", "") or found.exif.get("UserComment", "")
        candidates += [found.texts.get("Description", ""), comment]
    for candidate in candidates:
        kept = caption_text(candidate)
        structured = kept.startswith(("{", "[", "prompt:", "workflow:"))
        if kept and not structured and kept != prompt and not _EMPTY_CAPTIONS.fullmatch(kept):
            writer = text(_first(packet, "photoshop:CaptionWriter"), 200, one_line=True)
            return (Words(kept, model=writer or BY),)
    return ()


def _tags(
    found: embedded.Embedded, packet: Mapping[str, list[str]], fields: Mapping[str, list[str]]
) -> tuple[str, ...]:
    words = packet.get("dc:subject") or fields.get("keyword")
    if not words:
        words = re.split("[;,]", found.exif.get("XPKeywords", "")[:20_000])
    return tags(words)


def _rating(packet: Mapping[str, list[str]], exif: Mapping[str, str]) -> int:
    for told in (_first(packet, "xmp:Rating"), exif.get("Rating", "")):
        if re.fullmatch(r"[0-9](\.[0-9]{1,3})?", told):
            return min(5, int(float(told)))
    return 0


# -- cleaning --------------------------------------------------------------------------------------


def text(told: str, most: int, *, one_line: bool = False) -> str:
    """A stranger's text: without control characters, lines ended alike, cut."""
    cut = told[: 4 * most].replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(
        char for char in cut if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"}
    )
    return (" ".join(kept.split()) if one_line else kept.strip())[:most].rstrip()


def caption_text(told: str) -> str:
    """A caption, at most 4 KB, cut between characters."""
    kept = text(told, MAX_CAPTION_BYTES).encode("utf-8", "replace")[:MAX_CAPTION_BYTES]
    return kept.decode("utf-8", "ignore").rstrip()


def tags(told: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """At most 64 tags of at most 64 characters, one line each."""
    kept: dict[str, None] = {}
    for tag in told[: 16 * MAX_TAGS]:
        clean = text(tag, MAX_TAG_CHARS, one_line=True)
        if clean:
            kept.setdefault(clean)
        if len(kept) == MAX_TAGS:
            break
    return tuple(kept)
