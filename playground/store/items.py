"""Reading items: one by its id, or a page of a search, with captions, tags and parents.

A page takes six queries whatever its length: the keys, then items, captions, tags and parents of
those keys (and once the total). Pages are keyed by what they are sorted by, never by an offset.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from playground import money
from playground.errors import GalleryProblem, InvalidRequest
from playground.size import Size
from playground.store import question, schema, search
from playground.store.records import SORTS, Page, Sort, Where, known_moment, moment
from playground.store.selection import Selection
from playground.values import Caption, GalleryItem, Usage

MAX_PAGE = 1000
OWNER_MODEL = "owner"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARS = 12

_items, _files, _attempts = schema.items, schema.files, schema.attempts
_captions = schema.captions
_seqs: sa.BindParameter[list[int]] = sa.bindparam("seqs", expanding=True)
_ITEMS = (
    sa.select(
        _items,
        _files.c.format,
        _files.c.size_bytes,
        _files.c.width_px,
        _files.c.height_px,
        _attempts.c.request_id,
        _attempts.c.receipt,
    )
    .join(_files, _files.c.sha256 == _items.c.sha256)
    .outerjoin(_attempts, _attempts.c.id == _items.c.attempt_id)
    .where(_items.c.seq.in_(_seqs))
)
_CAPTIONS = (
    sa.select(_captions, _attempts.c.request_id, _attempts.c.receipt)
    .outerjoin(_attempts, _attempts.c.id == _captions.c.attempt_id)
    .where(_captions.c.item_seq.in_(_seqs))
    .order_by(_captions.c.id)
)
_TAGS = (
    sa.select(schema.item_tags.c.item_seq, schema.item_tags.c.tag)
    .where(schema.item_tags.c.item_seq.in_(_seqs))
    .order_by(schema.item_tags.c.tag)
)
_PARENTS = (
    sa.select(schema.parents.c.item_seq, _items.c.id)
    .join(_items, _items.c.seq == schema.parents.c.parent_seq)
    .where(schema.parents.c.item_seq.in_(_seqs))
    .order_by(schema.parents.c.position)
)


def new_id() -> str:
    """A random id of 12 letters and digits (60 bits); i, l, o and u are not used."""
    bits = secrets.randbits(5 * _ID_CHARS)
    return "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(_ID_CHARS))


def resolve(connection: sa.Connection, text: str) -> int:
    """The seq of an item by its id, by a beginning that only one has, or by its file's SHA-256.

    Raises:
        GalleryProblem: when there is none, or several begin so.
    """
    wanted = text.strip().lower()
    if wanted.isalnum() and wanted.isascii():
        for column in (_items.c.id, _items.c.sha256):
            # Both are plain ASCII, so "~" follows everything that begins with the text.
            begins = sa.and_(column >= wanted, column < f"{wanted}~")
            rows = connection.execute(
                sa.select(_items.c.seq, _items.c.id).where(begins).order_by(_items.c.seq).limit(6)
            ).all()
            exact = [row.seq for row in rows if row.id == wanted]
            if exact or len(rows) == 1 or (rows and len(wanted) == 64):
                return int(exact[0] if exact else rows[0].seq)
            if rows:
                some = ", ".join(row.id for row in rows[:5])
                msg = f"several items begin with {wanted!r} ({some}…); type more of the id"
                raise GalleryProblem(msg)
    msg = f"there is no item {text[:80]!r} in this gallery; `playground gallery list` shows the ids"
    raise GalleryProblem(msg)


def load(connection: sa.Connection, seqs: Sequence[int]) -> list[GalleryItem]:
    """Whole items, in the order of `seqs`."""
    if not seqs:
        return []
    wanted = {"seqs": list(seqs)}
    captions: dict[int, list[Caption]] = defaultdict(list)
    for row in connection.execute(_CAPTIONS, wanted):
        captions[row.item_seq].append(_caption(row))
    tags: dict[int, list[str]] = defaultdict(list)
    for row in connection.execute(_TAGS, wanted):
        tags[row.item_seq].append(row.tag)
    parents: dict[int, list[str]] = defaultdict(list)
    for row in connection.execute(_PARENTS, wanted):
        parents[row.item_seq].append(row.id)
    found = {
        row.seq: _item(row, captions[row.seq], tags[row.seq], parents[row.seq])
        for row in connection.execute(_ITEMS, wanted)
    }
    return [found[seq] for seq in seqs if seq in found]


def _item(
    row: sa.Row[Any], captions: list[Caption], tags: list[str], parents: list[str]
) -> GalleryItem:
    receipt = json.loads(row.receipt) if row.receipt else {}
    return GalleryItem(
        id=row.id,
        kind=row.kind,
        sha256=row.sha256,
        format=row.format,
        size=Size(row.width_px, row.height_px),
        size_bytes=row.size_bytes,
        created_at=known_moment(row.created_at_us),
        name=row.name,
        title=row.title,
        prompt=row.prompt,
        model=row.model,
        asked_size=row.asked_size,
        quality=row.quality,
        tier=row.tier,
        alt=row.alt,
        note=row.note,
        rating=row.rating or None,
        tags=tuple(tags),
        collection=row.collection,
        captions=tuple(captions),
        parents=tuple(parents),
        quoted_low=_dollars(row.quoted_low),
        quoted_high=_dollars(row.quoted_high),
        billed=_dollars(row.billed),
        usage=_usage(row.usage),
        request_id=row.request_id,
        seconds=receipt.get("seconds"),
        attempt_id=row.attempt_id,
        sample=bool(row.sample),
        deleted_at=moment(row.deleted_at_us),
        version=row.version,
    )


def _caption(row: sa.Row[Any]) -> Caption:
    receipt = json.loads(row.receipt) if row.receipt else {}
    return Caption(
        id=row.id,
        task=row.task,
        model=row.model,
        text=row.text,
        created_at=known_moment(row.created_at_us),
        tags=tuple(json.loads(row.tags)) if row.tags else (),
        data=json.loads(row.data) if row.data else None,
        quoted_low=_dollars(row.quoted_low),
        quoted_high=_dollars(row.quoted_high),
        billed=_dollars(row.billed),
        usage=_usage(row.usage),
        request_id=row.request_id,
        seconds=receipt.get("seconds"),
        sample=bool(row.sample),
    )


def _dollars(picousd: int | None) -> Any:
    return None if picousd is None else money.from_picousd(picousd)


def _usage(text: str | None) -> Usage:
    return Usage(**json.loads(text)) if text else Usage()


def page(
    connection: sa.Connection,
    *,
    text: str = "",
    where: Where = Where(),  # noqa: B008 - frozen
    sort: Sort = "newest",
    limit: int = 50,
    after: str | None = None,
    trash: bool = False,
) -> Page:
    """One page of a search (`Gallery.search`)."""
    if sort not in SORTS:
        msg = f"sort {sort!r} is not one of {', '.join(SORTS)}"
        raise InvalidRequest(msg)
    if not 1 <= limit <= MAX_PAGE:
        msg = f"a page has 1 to {MAX_PAGE} items, not {limit}"
        raise InvalidRequest(msg)
    query = Selection(connection, question.read(text, where, trash=trash))
    mark = hashlib.sha256(repr((text, where, sort, trash)).encode("utf-8", "replace")).hexdigest()
    key, total = _read_cursor(after, mark[:12]) if after else (None, query.total())
    rows = query.keys(sort, limit + 1, key)
    following = None
    if len(rows) > limit:
        following = _cursor(mark[:12], list(rows[limit - 1]), total)
    seqs = [int(row[-1]) for row in rows[:limit]]
    return Page(tuple(load(connection, seqs)), total, following)


def _cursor(mark: str, key: list[int], total: int) -> str:
    text = json.dumps([mark, total, *map(int, key)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(after: str, mark: str) -> tuple[list[int], int]:
    try:
        padded = after + "=" * (-len(after) % 4)
        found, total, *key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if found == mark and key and all(type(part) is int for part in (total, *key)):
            return key, total
    except (ValueError, TypeError):
        pass
    msg = "that place in the list belongs to another search; start again from the first page"
    raise InvalidRequest(msg)


def texts(item: GalleryItem) -> dict[str, str]:
    """What of an item can be searched, by the index's fields."""
    words = []
    for caption in item.captions:
        words.append(caption.text)
        words.extend(caption.tags)
        if caption.data:
            words.append(json.dumps(caption.data, ensure_ascii=False))
    return {
        "title": item.title,
        "prompt": item.prompt,
        "captions": "\n".join(words),
        "notes": item.note,
        "tags": "\n".join((*item.tags, item.collection)),
        "alt": item.alt,
        "name": item.name,
    }


def reindex(connection: sa.Connection, seq: int) -> GalleryItem:
    """Bring the search index up to date with one item, and return it."""
    (item,) = load(connection, [seq])
    search.put(connection, seq, texts(item))
    return item
