"""The question of the captions page and its price: from memory alone, at every keystroke."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from playground import captions, catalog, money, pricing, render
from playground.catalog import Model
from playground.errors import InvalidRequest
from playground.size import Size
from playground.values import TASKS, CaptionRequest, Photo, Quote, Task, TokenRange

DEFAULT_MODELS = ("gpt-5.4-nano", "gpt-5.4-mini")
MAX_MODELS = 4
LENGTHS = (60, 150, 300, 800)
"""Answer tokens that are offered; about three quarters as many words."""


@dataclass(frozen=True, slots=True)
class Options:
    """The question as the controls have it. `task` is also "own": your own prompt."""

    task: str = "describe"
    own: str = ""
    language: str = ""
    max_tokens: int = 150
    alt_limit: int = 125
    decorative: bool = False
    vocabulary: str = ""
    schema: str = ""
    detail: str = "auto"
    resize: int | None = 1024
    models: tuple[str, ...] = DEFAULT_MODELS
    tier: str = "standard"

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary's tags."""
        return captions.clean_tags(self.vocabulary.replace("\n", ",").split(","))

    @property
    def asked(self) -> Task:
        """The task as the request has it."""
        return "describe" if self.task == "own" else self.task  # type: ignore[return-value] # checked in changed

    @property
    def prompt(self) -> str:
        """The words that are sent."""
        return self._composed or captions.task_prompt(self.asked)

    @property
    def _composed(self) -> str | None:
        task = self.asked
        return captions.compose(
            task,
            own=self.own if self.task == "own" else "",
            language=self.language,
            max_characters=self.alt_limit,
            may_be_decorative=self.decorative,
            vocabulary=self.words if task == "tags" else (),
            # Told to the model too, so that an answer ends instead of being cut off.
            max_words=self.max_tokens * 3 // 4 if task == "describe" else None,
        )

    @property
    def schema_problem(self) -> str:
        """What is wrong with the schema of one's own, in a sentence; "" when nothing is."""
        if self.task != "attributes" or not self.schema.strip():
            return ""
        try:
            captions.task_schema("attributes", self.schema)
        except InvalidRequest as problem:
            text = str(problem).partition("; nothing")[0]
            return text[:1].upper() + text[1:] + "."
        return ""

    @property
    def details(self) -> tuple[str, ...]:
        """The detail levels that every chosen model has."""
        chosen = [catalog.default().model(name) for name in self.models]
        if not chosen:
            return ("auto",)
        return tuple(d for d in chosen[0].details if all(d in one.details for one in chosen))

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers of live calls that every chosen model has."""
        chosen = [catalog.default().model(name) for name in self.models]
        if not chosen:
            return ("standard",)
        return tuple(
            tier
            for tier in chosen[0].tiers
            if tier != "batch" and all(tier in one.tiers for one in chosen)
        )

    def template(self, model: str) -> CaptionRequest:
        """The question to one model, without a photo."""
        schema = None
        if self.asked == "tags" and self.words:
            schema = captions.vocabulary_schema(self.words)
        elif self.asked == "attributes" and self.schema.strip():
            schema = self.schema
        return CaptionRequest(
            photo="",
            model=model,
            task=self.asked,
            prompt=self._composed,
            detail=self.detail,  # type: ignore[arg-type] # one of `details`
            resize=self.resize,
            max_output_tokens=self.max_tokens,
            schema=schema,
            tier=self.tier,  # type: ignore[arg-type] # one of `tiers`
        )

    def changed(self, changes: Mapping[str, Any]) -> Options:
        """With other values; what makes no sense (yet) is left as it was."""
        options = replace(self, **_typed(changes))
        if options.detail not in options.details:
            options = replace(options, detail="auto")
        return options if options.tier in options.tiers else replace(options, tier="standard")


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What one model would cost for the photos that it has not answered yet."""

    model: str
    calls: int
    low: Decimal | None
    high: Decimal | None
    photo_tokens: TokenRange
    refused: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Estimate:
    """The price of the next run.

    `button` is what the button says; `wait` why it cannot be pressed ("" when it can);
    `asks` that the amount `most` has to be confirmed first. `lengths` are the prices at other
    answer lengths: (tokens, low, high). `each` is the price of one photo, the average where
    photos differ in size.
    """

    calls: int
    shots: int
    low: Decimal | None
    high: Decimal | None
    most: Decimal
    models: tuple[ModelPrice, ...]
    lengths: tuple[tuple[int, Decimal | None, Decimal | None], ...]
    button: str
    wait: str
    asks: bool
    prompt: str
    prompt_tokens: int
    schema_problem: str
    details: tuple[str, ...]
    notes: tuple[str, ...]
    answered: int
    tiers: tuple[str, ...] = ("standard",)
    each: tuple[Decimal, Decimal] | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """Dollars of several quotes: low and high are None where one is unknown."""

    low: Decimal | None
    high: Decimal | None
    hold: Decimal


def sums(quotes: Mapping[Quote, int]) -> Sum:
    """The quotes added up, each so many times."""
    low: Decimal | None = Decimal(0)
    high: Decimal | None = Decimal(0)
    hold = Decimal(0)
    for quote, times in quotes.items():
        low = None if low is None or quote.low is None else low + quote.low * times
        high = None if high is None or quote.high is None else high + quote.high * times
        hold += (quote.hold or Decimal(0)) * times
    return Sum(low, high, hold)


def lengths(
    quotes: Mapping[Quote, int],
) -> tuple[tuple[int, Decimal | None, Decimal | None], ...]:
    """The same run with other limits of the answer: only the output line changes."""
    total = sums(quotes)
    if total.high is None or not quotes:
        return tuple((length, None, None) for length in LENGTHS)
    without, per_token = total.high, Decimal(0)
    for quote, times in quotes.items():
        for line in quote.lines:
            if line.bucket == "text_output":
                without -= line.dollars * times
                per_token += money.token_cost(times, line.per_million)
    return tuple((length, total.low, without + per_token * length) for length in LENGTHS)


def per_photo(total: Sum, shots: int) -> tuple[Decimal, Decimal] | None:
    """Dollars for a photo with all chosen models, to the nanodollar."""
    if not shots or total.low is None or total.high is None:
        return None
    nano = Decimal("0.000000001")
    return (total.low / shots).quantize(nano), (total.high / shots).quantize(nano)


def button(shots: int, rows: Sequence[ModelPrice], total: Sum) -> str:
    """What the button says: how much is asked, and what it costs."""
    if not shots:
        return "Caption"
    several = f" with {len(rows)} models" if len(rows) > 1 else ""
    price = render.range_text(total.low, total.high)
    return f"Caption {shots} photo{'' if shots == 1 else 's'}{several} · {price}"


def _typed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the right type; what makes no sense yet (half-typed) is left as it was."""
    kept: dict[str, Any] = {}
    for name, value in changes.items():
        if name in {"own", "language", "vocabulary", "schema"}:
            kept[name] = str(value)[:100_000]
        elif name == "models" and isinstance(value, Sequence):
            names = {model.name for model in offered()}
            kept[name] = tuple(dict.fromkeys(n for n in value if n in names))[:MAX_MODELS]
        elif name in _SENSIBLE and _SENSIBLE[name](value):
            kept[name] = value
    return kept


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


_SENSIBLE: Mapping[str, Callable[[Any], bool]] = {
    "task": lambda value: value in {*TASKS, "own"},
    "decorative": lambda value: isinstance(value, bool),
    "detail": lambda value: isinstance(value, str),
    "tier": lambda value: isinstance(value, str),
    "resize": lambda value: value is None or _whole(value, 16, 20_000),
    "max_tokens": lambda value: _whole(value, 16, 4000),
    "alt_limit": lambda value: _whole(value, 20, 1000),
}


def offered() -> list[Model]:
    """Vision models that can be asked here, those of a known price that still run."""
    today = pricing.today()
    return [
        model
        for model in catalog.default().models
        if model.kind == "vision"
        and model.provider == "openai"
        and not model.retired(today)
        and catalog.default().rates(model.name, "standard", today)
    ]


def price_of(
    options: Options, model: str, sizes: Mapping[Size, int]
) -> tuple[ModelPrice, dict[Quote, int]]:
    template = options.template(model)
    quotes: dict[Quote, int] = {}
    refused = ""
    for size, times in sizes.items():
        photo = Photo(size.width_px, size.height_px)
        try:
            quotes[pricing.quote(template.with_(photo=photo))] = times
        except InvalidRequest as problem:
            refused = str(problem)
    total = sums(quotes)
    seen = [(quote.tokens["image_input"], times) for quote, times in quotes.items()]
    photo_tokens = TokenRange(
        sum(each.low * times for each, times in seen),
        sum(each.high * times for each, times in seen),
    )
    calls = sum(quotes.values())
    return ModelPrice(model, calls, total.low, total.high, photo_tokens, refused), quotes
