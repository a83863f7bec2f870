"""The rows of attempts: read as values, moved from state to state, turned into gallery items."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from playground import money
from playground.errors import GalleryProblem
from playground.store import budgets, forms, results, schema
from playground.store.records import (
    OPEN_STATES,
    Attempt,
    NewImage,
    State,
    clean,
    known_moment,
    moment,
)
from playground.values import CaptionRequest, EditRequest, Usage

TABLE = schema.attempts
LOOK = sa.select(TABLE).where(TABLE.c.id == sa.bindparam("attempt_id"))
_LOCK = LOOK.with_for_update()
_CLOSE = sa.update(TABLE).where(TABLE.c.id == sa.bindparam("attempt_id"))


def shown(row: sa.Row[Any], *, state: State | None = None) -> Attempt:
    """A row as a value; `state` replaces the stored one."""
    rates = json.loads(row.rates) if row.rates else None
    return Attempt(
        id=row.id,
        job_key=row.job_key,
        slots=row.slots,
        request=forms.decode(row.request),
        provider=row.provider,
        state=row.state if state is None else state,
        hold=money.from_picousd(row.hold),
        created_at=known_moment(row.created_at_us),
        run_id=row.run_id,
        cost=None if row.cost is None else money.from_picousd(row.cost),
        quoted_low=None if row.quoted_low is None else money.from_picousd(row.quoted_low),
        quoted_high=None if row.quoted_high is None else money.from_picousd(row.quoted_high),
        price_version=row.price_version,
        rates=rates and {bucket: Decimal(rate) for bucket, rate in rates.items()},
        sample=bool(row.sample),
        reason=row.reason,
        usage=Usage(**json.loads(row.usage)) if row.usage else Usage(),
        request_id=row.request_id,
        ended_at=moment(row.ended_at_us),
        batch_id=row.batch_id,
    )


def get(connection: sa.Connection, attempt_id: str, query: sa.Select[Any] = _LOCK) -> sa.Row[Any]:
    """One row, locked where rows are; GalleryProblem when there is none."""
    row = connection.execute(query, {"attempt_id": attempt_id}).one_or_none()
    if row is None:
        msg = f"there is no call {attempt_id!r} in this gallery's ledger"
        raise GalleryProblem(msg)
    return row


def move(
    connection: sa.Connection,
    row: sa.Row[Any],
    state: State,
    cost: int | None,
    known: Mapping[str, Any],
    now_us: int,
) -> None:
    """The one way in which an attempt changes its state, with the money that goes along."""
    held_before = row.hold if row.state in OPEN_STATES else 0
    held_after = row.hold if state in OPEN_STATES else 0
    booked = (cost or 0) - (row.cost or 0)
    values = {**known, "state": state, "cost": cost, "ended_at_us": now_us}
    connection.execute(_CLOSE, {"attempt_id": row.id, **values})
    budgets.move(
        connection,
        held=held_after - held_before,
        settled=booked,
        sample=booked if row.sample else 0,
        overruns=1 if state == "overrun" else 0,
        day=row.day,
        run_id=row.run_id,
    )


def kept(connection: sa.Connection, attempt_id: str) -> list[str]:
    """The items that an attempt's results are in."""
    made = sa.select(schema.items.c.id).where(schema.items.c.attempt_id == attempt_id)
    ids = list(connection.execute(made.order_by(schema.items.c.slot)).scalars())
    told = sa.select(schema.items.c.id).join(
        schema.captions, schema.captions.c.item_seq == schema.items.c.seq
    )
    return ids + list(
        connection.execute(told.where(schema.captions.c.attempt_id == attempt_id)).scalars()
    )


def _share(total: int | None, parts: int, index: int) -> int | None:
    """An even share of a whole number, the remainder on the first."""
    if total is None:
        return None
    even, rest = divmod(total, parts)
    return even + (rest if index == 0 else 0)


def put_images(
    connection: sa.Connection,
    row: sa.Row[Any],
    images: Sequence[NewImage],
    usage: Usage,
    booked: int,
    now_us: int,
) -> list[str]:
    """Insert the delivered pictures, each with its share of the bill; the ids of their items."""
    if not images:
        return []
    request = forms.decode(row.request)
    assert not isinstance(request, CaptionRequest)
    made = []
    for index, image in enumerate(images):
        results.put_file(
            connection,
            sha256=image.sha256,
            format_=image.format,
            size=image.size,
            size_bytes=image.size_bytes,
            now_us=now_us,
        )
        if image.thumbnail is not None and image.thumbnail_size is not None:
            size = image.thumbnail_size
            results.put_thumbnail(connection, image.sha256, image.thumbnail, size)
        billed = _share(booked, len(images), index)
        part = {
            name: _share(tokens, len(images), index) for name, tokens in usage.to_dict().items()
        }
        values = {
            "kind": "edit" if isinstance(request, EditRequest) else "image",
            "sha256": image.sha256,
            "job_key": row.job_key,
            "slot": image.slot,
            "attempt_id": row.id,
            "created_at_us": now_us,
            "billed": billed,
            "total_cost": billed,
            "quoted_low": _share(row.quoted_low, row.slots, image.slot),
            "quoted_high": _share(row.quoted_high, row.slots, image.slot),
            "sample": row.sample,
            "model": row.model,
            "tier": row.tier,
            "asked_size": str(request.size),
            "quality": request.quality,
            "collection": clean(image.collection),
            "name": clean(image.name),
            "title": clean(image.title),
            "prompt": clean(request.prompt),
            "alt": clean(image.alt),
            "usage": json.dumps(part),
            "width_px": image.size.width_px,
            "height_px": image.size.height_px,
        }
        hashes = forms.input_hashes(request)
        item_id, _ = results.put_item(
            connection, values, tags=image.tags, input_hashes=hashes, provider=row.provider
        )
        made.append(item_id)
    return made


def caption_values(row: sa.Row[Any], usage: Usage, booked: int, now_us: int) -> dict[str, Any]:
    """What an attempt knows about its caption, as columns."""
    return {
        "job_key": row.job_key,
        "attempt_id": row.id,
        "created_at_us": now_us,
        "model": row.model,
        "billed": booked,
        "quoted_low": row.quoted_low,
        "quoted_high": row.quoted_high,
        "sample": row.sample,
        "usage": json.dumps(usage.to_dict()),
    }
