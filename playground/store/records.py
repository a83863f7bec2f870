"""The store's own values: caps, attempts, what is to be kept, searches and their pages, findings.

Frozen, no I/O; money is `Decimal` dollars here and integer picodollars in the database.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, cast, get_args

from playground import money
from playground.errors import InvalidRequest
from playground.size import Size
from playground.values import Bucket, GalleryItem, Request, Task, Tier, Usage

State = Literal["reserved", "sent", "settled", "released", "unknown", "overrun"]
OPEN_STATES: tuple[State, ...] = ("reserved", "sent", "unknown")
Sort = Literal["newest", "oldest", "best", "cheapest", "dearest", "value"]
SORTS: tuple[Sort, ...] = get_args(Sort)
Kind = Literal["image", "edit", "photo"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_TAG_CHARS = 64


@dataclass(frozen=True, slots=True)
class Caps:
    """Dollars that may be committed at most; None sets no limit of its own.

    `gallery` and `day` only narrow what is stored in the gallery (`Ledger.set_cap`): the smaller
    one counts. A day is a UTC day.
    """

    call: Decimal | None = None
    run: Decimal | None = None
    day: Decimal | None = None
    gallery: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What one budget has committed, in dollars: settled is billed, held may still be billed.

    `sample` is the part of `settled` that the embedded provider only pretended to bill.
    """

    settled: Decimal
    held: Decimal
    cap: Decimal | None = None
    sample: Decimal = Decimal(0)

    @property
    def committed(self) -> Decimal:
        """Settled and held together: what a cap is compared with."""
        return self.settled + self.held

    @property
    def left(self) -> Decimal | None:
        """What the cap still allows; None without a cap."""
        return None if self.cap is None else max(self.cap - self.committed, Decimal(0))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request that was paid for, or may be: its reservation and how it ended.

    `hold` is the upper bound in dollars that was reserved for it, `cost` what was booked (None
    while it is open or unknown). `sent` is shown for an open attempt that may have left this
    machine; `reserved` for one that surely did not. `reason` says why it was released, is
    unknown, or was decided by the owner.
    """

    id: str
    job_key: str
    slots: int
    request: Request
    provider: str
    state: State
    hold: Decimal
    created_at: dt.datetime
    run_id: str | None = None
    cost: Decimal | None = None
    quoted_low: Decimal | None = None
    quoted_high: Decimal | None = None
    price_version: str = ""
    rates: Mapping[Bucket, Decimal] | None = None
    sample: bool = False
    reason: str = ""
    usage: Usage = field(default_factory=Usage)
    request_id: str | None = None
    ended_at: dt.datetime | None = None
    batch_id: str | None = None

    @property
    def model(self) -> str:
        """The model that was asked."""
        return self.request.model

    @property
    def tier(self) -> Tier:
        """The tier that was asked for."""
        return self.request.tier


@dataclass(frozen=True, slots=True)
class NewImage:
    """A delivered picture whose file is already stored (`Gallery.store_file`)."""

    sha256: str
    format: str
    size: Size
    size_bytes: int
    slot: int = 0
    thumbnail: bytes | None = field(default=None, repr=False)
    thumbnail_size: Size | None = None
    name: str = ""
    title: str = ""
    alt: str = ""
    collection: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewCaption:
    """Words about an item that is already in the gallery (`Gallery.add_photo`)."""

    item_id: str
    task: Task
    text: str
    tags: tuple[str, ...] = ()
    data: Mapping[str, Any] | None = None
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Where:
    """Facets that an item must all have; None and empty mean any.

    `model` is one that made the picture or captioned it, `rating` the least number of stars,
    `since` the first day (UTC) or moment, `max_dollars` the most billed with its captions.
    """

    model: str | None = None
    kind: Kind | None = None
    rating: int | None = None
    tag: str | tuple[str, ...] = ()
    collection: str | None = None
    since: dt.date | dt.datetime | None = None
    max_dollars: Decimal | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            msg = f"kind {self.kind!r} is not one of {', '.join(KINDS)}"
            raise InvalidRequest(msg)
        if self.max_dollars is not None:
            object.__setattr__(self, "max_dollars", money.usd(self.max_dollars))

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, always as a tuple."""
        return (self.tag,) if isinstance(self.tag, str) else self.tag

    @classmethod
    def parse(cls, facets: Iterable[str]) -> Where:
        """Facets as typed: `model=gpt-image-2`, `rating=4`, `tag=cat`, `max-dollars=0.01`.

        Raises:
            InvalidRequest: for a facet that is not known or a value that cannot be read.
        """
        found: dict[str, Any] = {}
        tags: list[str] = []
        for facet in facets:
            name, mark, value = facet.partition("=")
            name = name.strip().rstrip(">").replace("-", "_")
            value = value.strip()
            if not mark or name not in cls.__dataclass_fields__:
                known = ", ".join(key.replace("_", "-") for key in cls.__dataclass_fields__)
                msg = f"{facet!r} is not a facet; write NAME=VALUE with one of {known}"
                raise InvalidRequest(msg)
            if name == "tag":
                tags.append(value)
            else:
                found[name] = _facet(name, value)
        return cls(**found, tag=tuple(tags))


def _facet(name: str, value: str) -> Any:
    try:
        if name == "rating":
            return int(value)
        if name == "since":
            return dt.date.fromisoformat(value)
        if name == "max_dollars":
            return money.usd(value)
    except ValueError:
        wanted = {"rating": "a whole number", "since": "a day such as 2026-10-31"}
        msg = f"{name.replace('_', '-')} is {wanted.get(name, 'dollars')}, not {value!r}"
        raise InvalidRequest(msg) from None
    return value


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a search, how many there are in all, and the cursor of the next page.

    `next` is opaque: pass it as `after` with the same search; None after the last page.
    """

    items: tuple[GalleryItem, ...]
    total: int
    next: str | None = None

    def __iter__(self) -> Iterator[GalleryItem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `playground gallery list --json`."""
        return {
            "items": [item.to_dict() for item in self.items],
            "total": self.total,
            "next": self.next,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: how bad (`ok`, `note`, `warning`, `error`), what, how to mend it."""

    level: Literal["ok", "note", "warning", "error"]
    text: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.level}: {self.text}" + (f" {self.mend}" if self.mend else "")


_SPACES = re.compile(r"\s+")


def clean(text: str) -> str:
    """Text that every database stores: without NUL, and without halves of surrogate pairs.

    File names in a foreign encoding carry such halves; PostgreSQL refuses NUL.
    """
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def clean_tag(tag: str) -> str:
    """A tag as it is kept: one line, single spaces, at most 64 characters.

    Raises:
        InvalidRequest: for an empty or a longer one.
    """
    kept = _SPACES.sub(" ", clean(tag)).strip()
    if not kept or len(kept) > MAX_TAG_CHARS:
        msg = f"a tag has 1 to {MAX_TAG_CHARS} characters; {kept[:80]!r} has {len(kept)}"
        raise InvalidRequest(msg)
    return kept


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags without repetition, in their order."""
    return tuple(dict.fromkeys(clean_tag(tag) for tag in tags))


def moment(microseconds: int | None) -> dt.datetime | None:
    """A stored time (microseconds since 1970, UTC) as a datetime."""
    if microseconds is None:
        return None
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=microseconds)


def microseconds(when: dt.datetime) -> int:
    """A datetime as it is stored; one without a zone is taken as UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return (aware - dt.datetime.fromtimestamp(0, dt.UTC)) // dt.timedelta(microseconds=1)


def known_moment(stored: int) -> dt.datetime:
    """`moment` of a time that is never null."""
    return cast("dt.datetime", moment(stored))
