"""The values that flow: requests, usage, quotes, outcomes, gallery items. Frozen, no I/O.

    ImageRequest | EditRequest | CaptionRequest       `.key`: hash of the canonical request
          │                    └ pricing.quote ─► Quote
          └ ledger.reserve ─► client.perform ─► Generated | Captioned | Failed | Unknown
                                                     └ ledger.settle ─► GalleryItem

Token counts are whole tokens; a `TokenRange` holds the least and the most that can be billed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self, cast

from playground import money, render
from playground.errors import InvalidRequest
from playground.size import Size

Tier = Literal["standard", "flex", "batch", "priority"]
Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]
Detail = Literal["auto", "low", "high", "original"]
Endpoint = Literal["responses", "chat"]
Task = Literal["describe", "alt", "tags", "ocr", "attributes"]
Basis = Literal["exact", "bounded", "unknown"]
Bucket = Literal[
    "text_input",
    "cached_text_input",
    "image_input",
    "cached_image_input",
    "cache_write_input",
    "text_output",
    "image_output",
]
BUCKETS: tuple[Bucket, ...] = (
    "text_input",
    "cached_text_input",
    "image_input",
    "cached_image_input",
    "cache_write_input",
    "text_output",
    "image_output",
)
TIERS: tuple[Tier, ...] = ("standard", "flex", "batch", "priority")
TASKS: tuple[Task, ...] = ("describe", "alt", "tags", "ocr", "attributes")
HALF_PENNY_SIZE = Size(976, 704)
DETAILS: tuple[Detail, ...] = ("auto", "low", "high", "original")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        msg = f"{name} {value!r} is not one of {', '.join(allowed)}"
        raise InvalidRequest(msg)


def _whole(name: str, value: int | None, low: int, high: int | None = None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{name} is a whole number, not {value!r}"
        raise InvalidRequest(msg)
    if value < low or (high is not None and value > high):
        bound = f"at least {low}" if high is None else f"from {low} to {high}"
        msg = f"{name} is {bound}, not {value}"
        raise InvalidRequest(msg)


@dataclass(frozen=True, slots=True)
class Photo:
    """A measured picture: pixels as shown (after its orientation is applied), and its file.

    `sha256` (hex, of the file's bytes) and `path` are None for a picture that was only described
    by its dimensions; such a photo can be quoted but not sent.
    """

    width_px: int
    height_px: int
    format: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    path: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _whole("a photo's width", self.width_px, 1)
        _whole("a photo's height", self.height_px, 1)

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return Size(self.width_px, self.height_px)

    @property
    def name(self) -> str:
        """The file's name, or the dimensions where there is no file."""
        return self.path.name if self.path else str(self.size)


PhotoLike = Photo | Path | str


class _Request:
    """What all requests share: a canonical form and its key."""

    __slots__ = ()

    def canonical(self) -> dict[str, Any]:
        """The request as JSON values: same question, same form (file names are not in it)."""
        form: dict[str, Any] = {"kind": type(self).__name__}
        for item in fields(cast("Any", self)):
            value = getattr(self, item.name)
            if item.name not in {"tier", "expect_output_tokens"} and value is not None:
                form[item.name] = _canonical(value)
        return form

    @property
    def key(self) -> str:
        """SHA-256 (hex) of the canonical form: the identity of the question.

        The tier is left out on purpose: the answer at half price answers the same question.
        """
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed (and checked again)."""
        return cast("Self", replace(cast("Any", self), **changes))


def _canonical(value: Any) -> Any:
    if isinstance(value, Photo):
        return {"sha256": value.sha256, "size": str(value.size)}
    if isinstance(value, Size):
        return str(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_canonical(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _canonical(part) for name, part in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class ImageRequest(_Request):
    """A picture from a prompt (images/generations).

    Defaults are the half-penny challenge's: gpt-image-2, 976x704, low. `prompt_tokens` replaces
    the prompt's own count in a quote (text tokens as billed, overhead included).

    Raises:
        InvalidRequest: for a value outside the API's schema. Whether the *model* accepts the
            size and quality is checked by `pricing.quote` against the catalog.
    """

    prompt: str = ""
    model: str = "gpt-image-2"
    size: Size | str = HALF_PENNY_SIZE
    quality: Quality = "low"
    n: int = 1
    partial_images: int = 0
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    moderation: Literal["auto", "low"] | None = None
    tier: Tier = "standard"
    prompt_tokens: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str):
            msg = f"a prompt is text, not {type(self.prompt).__name__}"
            raise InvalidRequest(msg)
        if self.size != "auto":
            object.__setattr__(self, "size", Size.parse(self.size))
        _one_of("tier", self.tier, TIERS)
        _one_of("output format", self.output_format, ("png", "jpeg", "webp"))
        _one_of("background", self.background or "auto", ("auto", "opaque", "transparent"))
        _one_of("moderation", self.moderation or "auto", ("auto", "low"))
        _whole("n", self.n, 1, 10)
        _whole("partial images", self.partial_images, 0, 3)
        _whole("output compression", self.output_compression, 0, 100)
        _whole("prompt tokens", self.prompt_tokens, 0)

    @property
    def asked_size(self) -> Size | None:
        """The size that was asked for; None for `auto` (the model chooses)."""
        return self.size if isinstance(self.size, Size) else None


@dataclass(frozen=True, slots=True)
class EditRequest(ImageRequest):
    """A picture from a prompt and one to sixteen pictures (images/edits).

    `images` and `mask` hold measured photos once resolved (`photos.resolve`); paths are accepted.
    """

    images: tuple[PhotoLike, ...] = ()
    mask: PhotoLike | None = None
    input_fidelity: Literal["low", "high"] | None = None

    def __post_init__(self) -> None:
        ImageRequest.__post_init__(self)
        images = self.images if isinstance(self.images, tuple) else tuple(self.images)
        object.__setattr__(self, "images", images)
        if not 1 <= len(images) <= 16:
            msg = f"an edit takes 1 to 16 pictures, not {len(images)}"
            raise InvalidRequest(msg)


@dataclass(frozen=True, slots=True)
class CaptionRequest(_Request):
    """Words about one photo (responses or chat/completions).

    `prompt` None means the task's own prompt (`captions.task_prompt`). `resize` is the longest
    side in pixels to which the photo is scaled down before it is sent; None sends it as it is.
    `expect_output_tokens` narrows the quote to an answer of that length; the reservation still
    assumes `max_output_tokens`.
    """

    photo: PhotoLike = ""
    model: str = "gpt-5.4-nano"
    task: Task = "describe"
    prompt: str | None = None
    detail: Detail = "auto"
    endpoint: Endpoint = "responses"
    resize: int | None = None
    max_output_tokens: int = 300
    expect_output_tokens: int | None = None
    schema: str | None = None
    tier: Tier = "standard"

    def __post_init__(self) -> None:
        _one_of("tier", self.tier, TIERS)
        _one_of("task", self.task, TASKS)
        _one_of("detail", self.detail, DETAILS)
        _one_of("endpoint", self.endpoint, ("responses", "chat"))
        _whole("resize", self.resize, 16, 20_000)
        _whole("max output tokens", self.max_output_tokens, 16, 128_000)
        _whole("expected output tokens", self.expect_output_tokens, 1, self.max_output_tokens)

    @property
    def measured(self) -> Photo:
        """The photo, measured.

        Raises:
            InvalidRequest: when it is still a path; `photos.resolve` measures it.
        """
        return _measured(self.photo)


def _measured(photo: PhotoLike) -> Photo:
    if not isinstance(photo, Photo):
        msg = f"{photo} has not been measured yet"
        raise InvalidRequest(msg)
    return photo


def measured_images(request: EditRequest) -> tuple[Photo, ...]:
    """The pictures of an edit, measured; raises InvalidRequest while one is still a path."""
    return tuple(_measured(image) for image in request.images)


Request = ImageRequest | EditRequest | CaptionRequest


@dataclass(frozen=True, slots=True)
class Usage:
    """Billed tokens in disjoint buckets.

    An API's inclusive totals are split once, where its answer is read; a negative rest is an
    error there. Cost is then a plain sum of products. `cache_write_input` are input tokens that
    the provider wrote to its prompt cache and bills above the input price (gpt-5.6 and later).
    """

    text_input: int = 0
    cached_text_input: int = 0
    image_input: int = 0
    cached_image_input: int = 0
    cache_write_input: int = 0
    text_output: int = 0
    image_output: int = 0

    def __post_init__(self) -> None:
        for bucket in BUCKETS:
            value = getattr(self, bucket)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                msg = f"{bucket} is a count of tokens, not {value!r}"
                raise ValueError(msg)

    def to_dict(self) -> dict[str, int]:
        """The buckets that are not empty."""
        return {name: getattr(self, name) for name in BUCKETS if getattr(self, name)}

    @property
    def total_input(self) -> int:
        """All input tokens, cached ones included (decides the long-context surcharge)."""
        return self.text_input + self.cached_text_input + self.image_input + self.cached_image_input


@dataclass(frozen=True, slots=True)
class TokenRange:
    """The least and the most tokens that can be billed; equal where the rule is exact."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            msg = f"{self.low} to {self.high} is not a range of tokens"
            raise ValueError(msg)

    @classmethod
    def of(cls, *tokens: int) -> TokenRange:
        """The range that covers the given counts."""
        return cls(min(tokens), max(tokens))

    def __add__(self, other: TokenRange) -> TokenRange:
        return TokenRange(self.low + other.low, self.high + other.high)

    def times(self, count: int) -> TokenRange:
        """`count` times this range."""
        return TokenRange(self.low * count, self.high * count)

    @property
    def exact(self) -> bool:
        """Whether only one count is possible."""
        return self.low == self.high

    def __str__(self) -> str:
        return f"{self.low:,}" if self.exact else f"{self.low:,} to {self.high:,}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule or a price comes from: what it says, who says so, when it was read."""

    what: str
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class CostLine:
    """One bucket of a cost: tokens at dollars per million tokens."""

    bucket: Bucket
    tokens: int
    per_million: Decimal
    dollars: Decimal

    def to_dict(self) -> dict[str, Any]:
        """As in `playground quote --json`."""
        return {
            "bucket": self.bucket,
            "tokens": self.tokens,
            "per_million": money.plain(self.per_million),
            "dollars": money.plain(self.dollars),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Quote:
    """What a request will cost, before it is sent.

    `low` and `high` are dollars, None where unknown (never zero for want of a price). `hold` is
    what the ledger reserves: the most that the call can be billed as far as the rules go; None
    means that the call is refused. Quotes are compared by identity (a mapping is no hash key);
    compare their `to_dict()`.
    """

    model: str
    tier: Tier
    on: dt.date
    basis: Basis
    tokens: Mapping[Bucket, TokenRange]
    low: Decimal | None
    high: Decimal | None
    hold: Decimal | None
    lines: tuple[CostLine, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    price_version: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `playground quote`; money as decimal strings in dollars, null if unknown."""
        empty = TokenRange(0, 0)
        buckets: tuple[Bucket, ...] = ("text_input", "image_input", "image_output", "text_output")
        return {
            "model": self.model,
            "tier": self.tier,
            "on": self.on.isoformat(),
            "basis": self.basis,
            "tokens": {
                bucket: {
                    "low": self.tokens.get(bucket, empty).low,
                    "high": self.tokens.get(bucket, empty).high,
                }
                for bucket in buckets
            },
            "dollars": {
                "low": None if self.low is None else money.plain(self.low),
                "high": None if self.high is None else money.plain(self.high),
            },
            "lines": [line.to_dict() for line in self.lines],
            "notes": list(self.notes),
            "sources": [
                {"what": item.what, "source": item.source, "date": item.date}
                for item in self.sources
            ],
        }

    @property
    def rows(self) -> list[render.BreakdownRow]:
        """The lines as plain tuples, for `render`."""
        return [(line.bucket, line.tokens, line.per_million, line.dollars) for line in self.lines]

    def __str__(self) -> str:
        return render.breakdown_text(self.rows, self.low, self.high, self.notes)

    def _repr_html_(self) -> str:
        return render.breakdown_html(self.rows, self.low, self.high, self.basis, self.notes)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came with an answer, whatever it was: for support, rate limits and the bill.

    `limits` are the `x-ratelimit-*` headers as sent; `echoed` is what the server says it made
    (size, quality, output_format, background, model).
    """

    status: int | None = None
    request_id: str | None = None
    seconds: float | None = None
    processing_ms: int | None = None
    tier: Tier | None = None
    limits: Mapping[str, str] = field(default_factory=dict)
    echoed: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON values for the ledger."""
        return {
            item.name: (dict(value) if isinstance(value, Mapping) else value)
            for item in fields(self)
            if (value := getattr(self, item.name))
        }


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture as it is sent: re-encoded or stripped of all metadata, under a neutral name."""

    data: bytes = field(repr=False)
    format: Literal["jpeg", "png", "webp"]
    size: Size

    @property
    def mime(self) -> str:
        """The media type."""
        return f"image/{self.format}"


@dataclass(frozen=True, slots=True)
class MadeImage:
    """One delivered picture: the exact bytes as sent by the server, sniffed, not re-encoded."""

    data: bytes = field(repr=False)
    format: str
    size: Size
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Generated:
    """A billed answer with pictures. `problems` names what is missing or unusable in it."""

    images: tuple[MadeImage, ...]
    usage: Usage
    receipt: Receipt
    revised_prompt: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Captioned:
    """A billed answer with words. `finish` is stop, length, refusal or filtered."""

    text: str
    usage: Usage
    receipt: Receipt
    finish: str = "stop"
    problems: tuple[str, ...] = ()


FailureKind = Literal[
    "auth",
    "permission",
    "not_found",
    "bad_request",
    "moderation",
    "rate_limit",
    "quota",
    "not_sent",
    "redirect",
]
UnknownKind = Literal[
    "server_error",
    "timeout",
    "connection_lost",
    "unreadable",
    "no_usage",
    "moderation_output",
    "cancelled",
    "died",
]


@dataclass(frozen=True, slots=True)
class Failed:
    """Ended with evidence that nothing was billed. `message` is safe to show (redacted)."""

    kind: FailureKind
    message: str
    receipt: Receipt = field(default_factory=Receipt)
    retry_after_seconds: float | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Ended without evidence: it may have been billed, so its reservation stays held."""

    kind: UnknownKind
    message: str
    receipt: Receipt = field(default_factory=Receipt)


Outcome = Generated | Captioned | Failed | Unknown


@dataclass(frozen=True, slots=True)
class Caption:
    """Words about a gallery item, who wrote them, and what they cost.

    `tags` and `data` hold the parsed answer of the tags and attributes tasks.
    """

    id: int
    task: Task
    model: str
    text: str
    created_at: dt.datetime
    tags: tuple[str, ...] = ()
    data: Mapping[str, Any] | None = None
    quoted_low: Decimal | None = None
    quoted_high: Decimal | None = None
    billed: Decimal | None = None
    usage: Usage = field(default_factory=Usage)
    request_id: str | None = None
    seconds: float | None = None
    sample: bool = False


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """A picture or photo that is kept, with everything known about it.

    `id` is the item's own; `sha256` names its original file. `kind` is image (generated), edit
    or photo. `quoted_*` and `billed` are dollars for this picture's share of its call (a call
    for n pictures is shared evenly, the remainder on the first); None for photos, whose captions
    carry their own. `sample` marks what the embedded provider made.
    """

    id: str
    kind: Literal["image", "edit", "photo"]
    sha256: str
    format: str
    size: Size
    size_bytes: int
    created_at: dt.datetime
    name: str = ""
    title: str = ""
    prompt: str = ""
    model: str | None = None
    asked_size: str | None = None
    quality: str | None = None
    tier: Tier | None = None
    alt: str = ""
    note: str = ""
    rating: int | None = None
    tags: tuple[str, ...] = ()
    collection: str = ""
    captions: tuple[Caption, ...] = ()
    parents: tuple[str, ...] = ()
    quoted_low: Decimal | None = None
    quoted_high: Decimal | None = None
    billed: Decimal | None = None
    usage: Usage = field(default_factory=Usage)
    request_id: str | None = None
    seconds: float | None = None
    attempt_id: str | None = None
    sample: bool = False
    deleted_at: dt.datetime | None = None
    version: int = 1

    @property
    def total_billed(self) -> Decimal:
        """Dollars billed for this item and its captions."""
        captions = sum((caption.billed or Decimal(0) for caption in self.captions), Decimal(0))
        return (self.billed or Decimal(0)) + captions

    def to_dict(self) -> dict[str, Any]:
        """JSON values; money as decimal strings in dollars."""
        return cast("dict[str, Any]", _jsonable(self))


def _jsonable(value: Any) -> Any:
    if isinstance(value, Usage):
        return value.to_dict()
    if isinstance(value, Caption | GalleryItem):
        return {item.name: _jsonable(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, Size):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_jsonable(part) for part in value]
    return value
