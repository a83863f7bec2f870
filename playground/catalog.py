"""Models: what they accept, how their tokens are counted, what they cost on a given day.

The data is `data/models.toml`; each number there has a source and a date. A second opinion on
prices comes from the maintained genai-prices library (`second_opinion`): the tests and
`playground prices` compare the two. The library is not the first source, because it has no start
dates for most prices and silently answers with the standard price for a tier or day it lacks.
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, cast

from playground.errors import InvalidRequest, UnknownModel
from playground.money import usd
from playground.size import Size, SizeRules
from playground.values import BUCKETS, Bucket, Source, Tier

Rates = Mapping[Bucket, Decimal]

# Over this many input tokens the whole request costs twice the input and one and a half times the
# output price (gpt-5.4, 5.5, 5.6, 6 and 6.1; OpenAI's price page, read 2026-10-12).
LONG_CONTEXT_TOKENS = 272_000
# A table older than this is said to be old wherever a price is shown.
STALE_AFTER_DAYS = 90

_FIXED_1 = tuple(Size.parse(text) for text in ("1024x1024", "1024x1536", "1536x1024"))
_AXIS_2 = {"low": 16, "medium": 48, "high": 96}
_AXIS_25 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Dollars per million tokens by bucket, since a day (None: the start is not recorded)."""

    since: dt.date | None
    rates: Rates
    source: Source


@dataclass(frozen=True, slots=True)
class VisionRule:
    """How a family of models counts the tokens of a photo; see `tokens.vision_input`."""

    name: str
    kind: Literal["patches", "tiles", "claude", "gemini-tiles", "gemini-levels"]
    source: Source
    multiplier: Decimal = Decimal(1)
    auto: str = "high"
    levels: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    other_budget: int = 0
    chat_low: Decimal | None = None
    base: int = 0
    tile: int = 0
    max_edge_px: int = 0
    full_below: int = 0
    capped: tuple[int, int] = (0, 0)
    level_tokens: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """One model: capabilities, token rule, dated prices. Dates are UTC days."""

    name: str
    kind: Literal["image", "vision"]
    provider: str
    released: dt.date | None
    retires: dt.date | None
    replacement: str | None
    snapshots: tuple[str, ...]
    prices: tuple[PriceRow, ...]
    tiers: tuple[Tier, ...]
    batch: Literal["half", "disputed", "none"]
    priority: Rates | None
    size_rules: SizeRules | None = None
    output_rule: str = ""
    axis: Mapping[str, int] = field(default_factory=dict)
    edit_rule: Literal["patches", "tiles", "none"] = "none"
    printed: Mapping[str, tuple[Decimal, ...]] = field(default_factory=dict)
    pictures: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    max_n: int = 1
    max_partial_images: int = 0
    max_text_output: int = 0
    vision: VisionRule | None = None
    assumed_vision: bool = False
    reasoning_effort: str | None = None
    long_context: bool = False
    long_context_rates: tuple[int, Rates] | None = None
    cache_write: bool = False

    @property
    def qualities(self) -> tuple[str, ...]:
        """The qualities that can be asked for, `auto` last; empty for vision models."""
        if self.output_rule.startswith("axis"):
            return (*self.axis, "auto")
        if self.output_rule == "table-1":
            return ("low", "medium", "high", "auto")
        return tuple(self.pictures)

    @property
    def details(self) -> tuple[str, ...]:
        """The detail levels that can be asked for, `auto` included; empty for image models."""
        if self.vision is None:
            return ()
        levels = tuple(self.vision.levels) or ("low", "high")
        return (*levels, "auto")

    @property
    def formats(self) -> tuple[str, ...]:
        """Output formats of an image model."""
        if self.kind == "vision":
            return ()
        return ("png", "jpeg", "webp") if self.output_rule != "per-picture" else ("png",)

    @property
    def backgrounds(self) -> tuple[str, ...]:
        """Backgrounds that can be asked for.

        gpt-image-2 has offered transparency as a preview since 2026-08-20 (facts, C8).
        """
        if self.kind == "vision" or self.output_rule == "per-picture":
            return ()
        return ("auto", "opaque", "transparent")

    def retired(self, on: dt.date) -> bool:
        """Whether the model was shut down on or before that day."""
        return self.retires is not None and on >= self.retires

    @property
    def retirement(self) -> str:
        """The sentence that says when it was, or will be, shut down; empty when not announced."""
        if self.retires is None:
            return ""
        instead = f"; use {self.replacement} instead" if self.replacement else ""
        return f"{self.name} is shut down from {self.retires.isoformat()}{instead}"


@dataclass(frozen=True, slots=True)
class Tariff:
    """The rates of one model, tier and day; `low` differs from `high` where sources disagree."""

    low: Rates
    high: Rates
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalog:
    """All known models. `version` names the data, and stands on every bill."""

    version: str
    read_on: dt.date
    models: tuple[Model, ...]
    _by_name: Mapping[str, Model] = field(repr=False, default_factory=dict)

    def model(self, name: str) -> Model:
        """The model of that name (a dated snapshot's name gives its model).

        Raises:
            UnknownModel: when there is none; the message lists near names.
        """
        found = self._by_name.get(name.strip().lower()) if isinstance(name, str) else None
        if found is not None:
            return found
        near = difflib.get_close_matches(str(name).lower(), self._by_name, n=3, cutoff=0.5)
        hint = f"; near names: {', '.join(near)}" if near else "; `playground models` lists them"
        msg = f"no model {name!r} is known{hint}. Nothing was sent and nothing was spent."
        raise UnknownModel(msg)

    def tariff(self, name: str, tier: Tier, on: dt.date) -> Tariff | str:
        """The rates of that day, or the sentence that says why there are none."""
        model = self.model(name)
        if not model.prices:
            return f"no price of {model.name} is known"
        in_force = [row for row in model.prices if row.since is None or row.since <= on]
        if not in_force:
            first = model.prices[0].since
            return f"{model.name} had no price on {on.isoformat()}; its first is of {first}"
        row = in_force[-1]
        notes = []
        if row.since is None:
            notes.append(f"the first day of this price is not recorded; it was read {self.read_on}")
        if tier == "standard":
            return Tariff(row.rates, row.rates, (row.source,), tuple(notes))
        return self._other_tier(model, row, tier, notes)

    def _other_tier(
        self, model: Model, row: PriceRow, tier: Tier, notes: list[str]
    ) -> Tariff | str:
        half = {bucket: rate / 2 for bucket, rate in row.rates.items()}
        if tier == "batch" and model.batch == "disputed":
            notes.append(
                f"the price page lists batch prices for {model.name}, its model page says that "
                "batch is not supported: half price at best, standard price at worst"
            )
            return Tariff(half, row.rates, (row.source,), tuple(notes))
        if tier not in model.tiers:
            return f"{model.name} has no {tier} tier"
        if tier in {"batch", "flex"}:
            return Tariff(half, half, (row.source,), tuple(notes))
        double = {bucket: rate * 2 for bucket, rate in row.rates.items()}
        rates = model.priority or double
        return Tariff(rates, rates, (row.source,), tuple(notes))

    def rates(self, name: str, tier: Tier, on: dt.date) -> Rates | None:
        """Dollars per million tokens by bucket (the higher where sources disagree), or None."""
        tariff = self.tariff(name, tier, on)
        return None if isinstance(tariff, str) else tariff.high

    def stale(self, on: dt.date) -> str | None:
        """The warning for a table older than 90 days, or None."""
        age = (on - self.read_on).days
        if age <= STALE_AFTER_DAYS:
            return None
        return f"the price table is {age} days old (read {self.read_on}); prices may have changed"


def second_opinion(name: str, tier: Tier, on: dt.date) -> Rates | None:
    """The same rates from genai-prices, or None where it does not know this model, tier and day.

    The library answers with the standard price when no variant matches; that answer is dropped.
    """
    from genai_prices import data

    context: dict[str, str] = {
        "standard": {},
        "batch": {"processing": "batch"},
        "flex": {"service_tier": "flex"},
        "priority": {"service_tier": "priority"},
    }[tier]
    noon = dt.datetime.combine(on, dt.time(12), tzinfo=dt.UTC)
    for provider in data.providers:
        if provider.id not in {"openai", "anthropic", "google"}:
            continue
        for model in provider.models:
            if not model.is_match(name):
                continue
            if context and not any(
                variant.when == context
                and (variant.constraint is None or variant.constraint.active(noon))
                for variant in model.price_variants or ()
            ):
                return None
            return _library_rates(model.get_prices(noon, cast("Any", context or None)))
    return None


_LIBRARY_KEYS: dict[str, Bucket] = {
    "input_mtok": "text_input",
    "cache_read_mtok": "cached_text_input",
    "input_image_mtok": "image_input",
    "cache_image_read_mtok": "cached_image_input",
    "cache_write_mtok": "cache_write_input",
    "output_mtok": "text_output",
    "output_image_mtok": "image_output",
}


def _library_rates(price: Any) -> Rates:
    rates: dict[Bucket, Decimal] = {}
    for key, bucket in _LIBRARY_KEYS.items():
        value = getattr(price, key, None)
        if value is not None:
            rates[bucket] = getattr(value, "base", value)
    return rates


@lru_cache(maxsize=1)
def default() -> Catalog:
    """The catalog that is shipped with the package (read once)."""
    return read(resources.files("playground").joinpath("data/models.toml").read_bytes())


def read(text: bytes) -> Catalog:
    """A catalog from the bytes of a `models.toml`; the version includes a hash of them."""
    tree = tomllib.loads(text.decode())
    sources = {
        name: Source(name.replace("-", " "), row["source"], row["date"])
        for name, row in tree["source"].items()
    }
    rules = {name: _vision_rule(name, row, sources) for name, row in tree["vision"].items()}
    models = tuple(_model(row, rules, sources) for row in tree["model"])
    by_name = {snapshot: model for model in models for snapshot in model.snapshots}
    by_name |= {model.name: model for model in models}
    return Catalog(
        version=f"{tree['version']}+{hashlib.sha256(text).hexdigest()[:8]}",
        read_on=dt.date.fromisoformat(tree["version"]),
        models=models,
        _by_name=by_name,
    )


def _vision_rule(name: str, row: Mapping[str, Any], sources: Mapping[str, Source]) -> VisionRule:
    levels = row.get("levels", {})
    by_tokens = row["kind"] == "gemini-levels"
    return VisionRule(
        name=name,
        kind=row["kind"],
        source=replace(sources[row["source"]], what=f"photo tokens ({name})"),
        multiplier=usd(row.get("multiplier", "1")),
        auto=row.get("auto", "high"),
        levels={level: (0, 0) if by_tokens else tuple(pair) for level, pair in levels.items()},
        other_budget=row.get("other_budget", 0),
        chat_low=usd(row["chat_low"]) if "chat_low" in row else None,
        base=row.get("base", 0),
        tile=row.get("tile", 0),
        max_edge_px=row.get("max_edge", 0),
        full_below=row.get("full_below", 0),
        capped=tuple(row.get("capped", (0, 0))),
        level_tokens=levels if by_tokens else {},
    )


def _three_rates(usd_row: list[str], *, cache_write: bool) -> Rates:
    """Rates of a vision model: photo tokens are input tokens and cost the same."""
    text_in, cached, text_out = usd_row
    rates: dict[Bucket, Decimal] = {"text_input": usd(text_in), "image_input": usd(text_in)}
    if cached:
        rates["cached_text_input"] = rates["cached_image_input"] = usd(cached)
    if cache_write:
        rates["cache_write_input"] = usd(text_in) * Decimal("1.25")
    rates["text_output"] = usd(text_out)
    return rates


def _price_row(
    row: Mapping[str, Any], model: Mapping[str, Any], sources: Mapping[str, Source]
) -> PriceRow:
    if "usd" in row:
        rates = _three_rates(row["usd"], cache_write=model.get("cache_write", False))
    else:
        rates = {bucket: usd(row[bucket]) for bucket in BUCKETS if bucket in row}
    since = row.get("from")
    what = f"price of {model['name']}" + (f" since {since.isoformat()}" if since else "")
    return PriceRow(since, rates, replace(sources[row["source"]], what=what))


def _model(
    row: Mapping[str, Any], rules: Mapping[str, VisionRule], sources: Mapping[str, Source]
) -> Model:
    output = row.get("output", "")
    batch = row.get("batch", "half" if "batch" in row.get("tiers", ()) else "none")
    tiers: tuple[str, ...] = ("standard", *row.get("tiers", ()))
    if row["kind"] == "image" and batch == "half":
        tiers = ("standard", "batch")
    pictures = {
        quality: {size: usd(price) for size, price in prices.items()}
        for quality, prices in row.get("pictures", {}).items()
    }
    prices = tuple(_price_row(price, row, sources) for price in row.get("price", ()))
    if pictures:
        source = replace(sources[row["source"]], what=f"price of {row['name']} per picture")
        prices = (PriceRow(row["released"], {}, source),)
    long_rates = row.get("long_context_rates")
    return Model(
        name=row["name"],
        kind=row["kind"],
        provider=row.get("provider", "openai"),
        released=row.get("released"),
        retires=row.get("retires"),
        replacement=row.get("replacement"),
        snapshots=tuple(row.get("snapshots", ())),
        prices=prices,
        tiers=cast("tuple[Tier, ...]", tiers),
        batch=batch,
        priority=_three_rates(row["priority"], cache_write=False) if "priority" in row else None,
        size_rules=_size_rules(output, pictures) if row["kind"] == "image" else None,
        output_rule=output,
        axis={"axis-2": _AXIS_2, "axis-25": _AXIS_25}.get(output, {}),
        edit_rule=row.get("edit_input", "none"),
        printed={
            quality: tuple(usd(price) for price in prices_row)
            for quality, prices_row in row.get("printed", {}).items()
        },
        pictures=pictures,
        max_n=row.get("max_n", 1),
        max_partial_images=3 if output and output != "per-picture" else 0,
        max_text_output=row.get("text_output", 0),
        vision=rules[row["vision"]] if "vision" in row else None,
        assumed_vision=row.get("assumed_vision", False),
        reasoning_effort=row.get("effort"),
        long_context=row.get("long_context", False),
        long_context_rates=(
            (long_rates["above"], _three_rates(long_rates["usd"], cache_write=False))
            if long_rates
            else None
        ),
        cache_write=row.get("cache_write", False),
    )


def _size_rules(output: str, pictures: Mapping[str, Mapping[str, Decimal]]) -> SizeRules:
    if output == "table-1":
        return SizeRules(fixed=_FIXED_1)
    if pictures:
        return SizeRules(fixed=tuple(Size.parse(text) for text in next(iter(pictures.values()))))
    return SizeRules()


def parse_rates(text: str) -> Rates:
    """Rates from `free` or `text_input=0.2,text_output=1.25` (dollars per million tokens).

    Buckets that are not named are unknown, not free; `image_input` follows `text_input` where
    only the latter is given, because vision models bill photos as input.

    Raises:
        InvalidRequest: for an unknown bucket or a negative or unreadable amount.
    """
    if text.strip().lower() == "free":
        return dict.fromkeys(BUCKETS, Decimal(0))
    rates: dict[Bucket, Decimal] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, amount = part.partition("=")
        if name.strip() not in BUCKETS:
            msg = f"{name.strip()!r} is not a price bucket; use {', '.join(BUCKETS)}, or free"
            raise InvalidRequest(msg)
        try:
            rate = usd(amount)
        except ValueError:
            msg = f"{amount!r} is not a price in dollars per million tokens"
            raise InvalidRequest(msg) from None
        if rate < 0:
            msg = f"a price cannot be negative: {part}"
            raise InvalidRequest(msg)
        rates[cast("Bucket", name.strip())] = rate
    if not rates:
        msg = "give a price as text_input=0.2,text_output=1.25 (dollars per million), or free"
        raise InvalidRequest(msg)
    if "text_input" in rates:
        rates.setdefault("image_input", rates["text_input"])
    return rates
