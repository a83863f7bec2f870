"""From a half-typed form to a request, its quote, and what stands beside it: pure and quick.

A keystroke runs `panel` once (under 5 ms with 4,000 characters): what does not depend on the
prompt (offers of other sizes, the nearest legal size) is remembered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, cast

from playground import catalog, money, pricing, render, solver, tokens
from playground.catalog import Model, Rates
from playground.errors import InvalidRequest, PlaygroundError
from playground.runner.gate import CONSENT_DOLLARS
from playground.size import Size
from playground.values import EditRequest, ImageRequest, Photo, Quote

MAX_PROMPT_CHARACTERS = 32_000
"""The API's own limit for the prompt of a GPT image model (API reference, images)."""

BUDGETS = {"half-penny": Decimal("0.005"), "quarter-penny": Decimal("0.0025")}
PRESETS = ("976x704", "1024x1024", "1152x576", "1024x1536", "1536x1024", "1920x1088", "1920x640")
TEMPLATES = {
    "Product photo": "{product} on {surface}, soft window light, 50 mm lens, clean background",
    "Character card": "Original {character} profile card, readable stats, cinematic lighting",
    "Poster": 'A {style} poster for {event}, the words "{headline}" in large letters',
    "Landscape": "{place} at {time of day}, wide view, {weather}, fine detail",
    "Icon": "A flat icon of {thing}, two colours, thick outline, centred, plain background",
}
_VARIABLE = re.compile(r"\{([A-Za-z][A-Za-z0-9_ ]{0,30})\}")


@dataclass(frozen=True, slots=True)
class Form:
    """What the controls say, as typed; half-typed values are normal."""

    prompt: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    model: str = "gpt-image-2"
    size: str = "976x704"
    quality: str = "low"
    n: int = 1
    background: str = "auto"
    output_format: str = "png"
    output_compression: int | None = None
    moderation: str = "auto"
    partial_images: int = 0
    input_fidelity: str | None = None
    tier: str = "standard"
    budget: str = "half-penny"


@dataclass(frozen=True, eq=False, slots=True)
class Choices:
    """What the chosen model offers; nothing else can be chosen. `tiers` are those of live calls;
    `tier_note` says which of all tiers the model has and which it lacks.
    """

    models: tuple[tuple[str, str], ...]
    sizes: tuple[str, ...]
    free_size: bool
    qualities: tuple[str, ...]
    max_n: int
    max_partial_images: int
    formats: tuple[str, ...]
    backgrounds: tuple[str, ...]
    edits: bool
    fidelities: tuple[str, ...]
    tiers: tuple[str, ...] = ("standard",)
    tier_note: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """Another size or quality with its price for the same prompt, one click away.

    `why` is `quality`, `cheaper` (a near size that costs less) or `larger` (more pixels for no
    more money); `pixels` is relative to the chosen size, 1.25 for a quarter more.
    """

    why: Literal["quality", "cheaper", "larger"]
    size: str
    quality: str
    low: Decimal | None
    high: Decimal | None
    pixels: float = 1.0


@dataclass(frozen=True, slots=True)
class Money:
    """What the gallery has committed, read before the typing began: dollars."""

    today: Decimal = Decimal(0)
    day_cap: Decimal | None = None
    committed: Decimal = Decimal(0)
    cap: Decimal | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Panel:
    """The quote and everything that follows from it.

    `request` is what the button would send; `waiting` says why it cannot yet (something is half
    typed), `refused` why it will not (a cap, a price). `left` are tokens that the budget still
    allows the prompt, negative when it is over; None where the budget cannot say.
    """

    form: Form
    request: ImageRequest | None = None
    quote: Quote | None = None
    waiting: str = ""
    refused: str = ""
    size_note: str = ""
    size: str = ""
    prompt_tokens: int = 0
    characters: int = 0
    left: int | None = None
    budget: Decimal | None = None
    variables: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    batch: tuple[Decimal, Decimal] | None = None
    thousand: tuple[Decimal, Decimal] | None = None
    per_token: Decimal | None = None
    asks: bool = False
    money: Money = field(default_factory=Money)


def choices(model: str) -> Choices:
    """What can be chosen for a model; models that are shut down are not listed."""
    book, day = catalog.default(), pricing.today()
    known = book.model(model)
    listed = [m for m in book.models if m.kind == "image" and not m.retired(day)]
    fixed = known.size_rules.fixed if known.size_rules else ()
    presets = tuple(map(str, fixed)) if fixed else PRESETS
    return Choices(
        models=tuple((m.name, m.retirement) for m in listed),
        sizes=(*presets, "auto"),
        free_size=not fixed,
        qualities=known.qualities,
        max_n=known.max_n,
        max_partial_images=known.max_partial_images,
        formats=known.formats,
        backgrounds=known.backgrounds,
        edits=known.edit_rule != "none",
        fidelities=("low", "high") if known.edit_rule == "tiles" else (),
        tiers=tuple(tier for tier in known.tiers if tier != "batch") or ("standard",),
        tier_note=_tier_note(known),
        note=known.retirement,
    )


def _tier_note(model: Model) -> str:
    lacks = [tier for tier in ("flex", "priority") if tier not in model.tiers]
    without = f"no {' and no '.join(lacks)} tier" if lacks else ""
    batch = {
        "half": "a batch, within a day, costs half",
        "disputed": "sources disagree whether it can be batched",
        "none": "it cannot be batched",
    }.get(model.batch, "")
    return "; ".join(filter(None, [f"{model.name} has {without}" if without else "", batch]))


def fitted(form: Form) -> Form:
    """The form with everything that its model refuses replaced by what it offers."""
    offered = choices(form.model)
    changes: dict[str, Any] = {}
    if form.quality not in offered.qualities:
        changes["quality"] = "high" if form.quality in {"xhigh", "max"} else offered.qualities[0]
    if not offered.free_size and form.size not in offered.sizes:
        changes["size"] = str(snapped(form.model, form.size)[0] or offered.sizes[0])
    if form.background not in offered.backgrounds:
        changes["background"] = "auto"
    if form.output_format not in offered.formats:
        changes["output_format"] = offered.formats[0]
    if form.background == "transparent" and form.output_format == "jpeg":
        changes["output_format"] = "png"
    changes["n"] = max(1, min(form.n, offered.max_n))
    changes["partial_images"] = max(0, min(form.partial_images, offered.max_partial_images))
    if form.tier not in offered.tiers:
        changes["tier"] = offered.tiers[0]
    if form.input_fidelity not in offered.fidelities:
        changes["input_fidelity"] = None
    if changes.get("output_format", form.output_format) == "png":
        changes["output_compression"] = None
    return replace(form, **changes)


def variables(prompt: str) -> tuple[str, ...]:
    """The names in braces that a template leaves open, in their order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(prompt)))


def filled(form: Form) -> str:
    """The prompt with the variables that have a value put in."""
    if "{" not in form.prompt:
        return form.prompt
    return _VARIABLE.sub(lambda m: form.variables.get(m[1], "").strip() or m[0], form.prompt)


@lru_cache(maxsize=256)
def snapped(model: str, text: str) -> tuple[Size | None, str]:
    """The size that will be asked for, and the sentence about the rule that bent it.

    None while the text is no size yet.
    """
    try:
        size = Size.parse(text)
    except InvalidRequest:
        return None, ""
    rules = catalog.default().model(model).size_rules
    reason = None if rules is None else rules.why_not(size)
    if rules is None or reason is None:
        return size, ""
    near = rules.nearest(size, 1)[0]
    return near, f"{reason[0].upper()}{reason[1:]}. Nearest: {near}."


def panel(
    form: Form,
    *,
    images: tuple[Photo, ...] = (),
    mask: Photo | None = None,
    spent: Money | None = None,
    call_cap: Decimal | None = None,
    rates: Rates | None = None,
) -> Panel:
    """The quote panel of a form; never raises for what a person may type."""
    spent = spent or Money()
    size, note = (None, "") if form.size == "auto" else snapped(form.model, form.size)
    base = Panel(
        form=form,
        size="auto" if form.size == "auto" else str(size or ""),
        size_note=note,
        characters=len(form.prompt),
        variables=variables(form.prompt),
        money=spent,
        budget=_budget(form.budget),
    )
    if form.size != "auto" and size is None:
        return replace(base, waiting="The size is not complete yet: width x height in pixels.")
    prompt = filled(form)
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        over = len(prompt) - MAX_PROMPT_CHARACTERS
        msg = f"The prompt is {over:,} characters too long: at most {MAX_PROMPT_CHARACTERS:,}."
        return replace(base, refused=msg)
    words = tokens.count_text(prompt)
    base = replace(base, prompt_tokens=words)
    try:
        request = _request(form, prompt, size, images, mask)
        # An empty prompt has a price too: it shows what the picture alone costs.
        quoted = request if prompt.strip() else request.with_(prompt_tokens=words)
        quote = pricing.quote(quoted, rates=rates)
    except PlaygroundError as problem:
        return replace(base, refused=_sentence(str(problem)))
    model = catalog.default().model(form.model)
    text_rate = _text_rate(model, rates)
    made = replace(
        base,
        request=request,
        quote=quote,
        left=_left(quote, text_rate, base.budget),
        per_token=None if text_rate is None else text_rate / 1_000_000,
        offers=_offers(form, quoted, quote, rates),
        batch=_batch(model, quoted, rates),
        thousand=None
        if quote.low is None or quote.high is None
        else (quote.low * 1000, quote.high * 1000),
        asks=max(quote.high or Decimal(0), quote.hold or Decimal(0)) > CONSENT_DOLLARS,
    )
    return replace(made, **_why_not(form, prompt, quote, spent, call_cap))


def as_python(request: ImageRequest, names: Mapping[str, str] | None = None) -> str:
    """A call of this package that asks the same; pictures are named, not included.

    `names` are the pictures' names by SHA-256, where they are not those of their files.
    """
    lines = [f"    {json.dumps(request.prompt, ensure_ascii=False)},"]
    lines.append(f"    model={_python(request.model)},")
    lines += [f"    {name}={_python(value)}," for name, value in _said(request)]
    if isinstance(request, EditRequest):
        pictures = ", ".join(json.dumps(_name(image, names)) for image in request.images)
        lines.append(f"    images=[{pictures}],")
        if request.mask is not None:
            lines.append('    mask="mask.png",')
    return "\n".join(["from playground import generate", "", "generate(", *lines, ")"])


def as_curl(request: ImageRequest, names: Mapping[str, str] | None = None) -> str:
    """The same as a curl command; the key stays in the environment ($OPENAI_API_KEY)."""
    form = {"model": request.model, "prompt": request.prompt, **dict(_said(request))}
    address = "https://api.openai.com/v1/images/"
    head = '-H "Authorization: Bearer $OPENAI_API_KEY"'
    if isinstance(request, EditRequest):
        # A value that starts with @ must not load a file: only pictures go with -F.
        flags = [f"  --form-string {_quoted(f'{name}={value}')}" for name, value in form.items()]
        flags += [f"  -F {_quoted(f'image[]=@{_name(image, names)}')}" for image in request.images]
        if request.mask is not None:
            flags.append("  -F 'mask=@mask.png'")
        return " \\\n".join([f"curl {address}edits", f"  {head}", *flags])
    body = json.dumps(form, ensure_ascii=False)
    return " \\\n".join(
        [
            f"curl {address}generations",
            f"  {head}",
            '  -H "Content-Type: application/json"',
            f"  -d {_quoted(body)}",
        ]
    )


# -------------------------------------------------------------------------------------------------


def _request(
    form: Form, prompt: str, size: Size | None, images: tuple[Photo, ...], mask: Photo | None
) -> ImageRequest:
    fields: dict[str, Any] = {
        "prompt": prompt,
        "model": form.model,
        "size": size or "auto",
        "quality": form.quality,
        "n": form.n,
        "partial_images": form.partial_images,
        "output_format": form.output_format,
        "output_compression": form.output_compression,
        "background": None if form.background == "auto" else form.background,
        "moderation": None if form.moderation == "auto" else form.moderation,
        "tier": form.tier,
    }
    if images:
        fidelity = cast("Any", form.input_fidelity)
        return EditRequest(**fields, images=images, mask=mask, input_fidelity=fidelity)
    return ImageRequest(**fields)


def _why_not(
    form: Form, prompt: str, quote: Quote, spent: Money, call_cap: Decimal | None
) -> dict[str, Any]:
    if not prompt.strip():
        return {"waiting": "Write what you want to see."}
    for name in variables(form.prompt):
        if not form.variables.get(name, "").strip():
            return {"waiting": f"{{{name}}} has no value yet."}
    if quote.hold is None:
        why = quote.notes[0].partition("; name one")[0] if quote.notes else "Its price is unknown"
        return {"refused": _sentence(why)}
    limits = [
        ("this gallery's cap", spent.cap, spent.committed),
        ("today's cap", spent.day_cap, spent.today),
        ("the cap for one call", call_cap, Decimal(0)),
    ]
    for what, cap, used in limits:
        if cap is not None and used + quote.hold > cap:
            rest = money.short(max(cap - used, Decimal(0)))
            return {
                "refused": f"Over {what}: {rest} of {money.short(cap)} are left, and up to "
                f"{money.short(quote.hold)} would be reserved."
            }
    return {}


def _offers(
    form: Form, request: ImageRequest, quote: Quote, rates: Rates | None
) -> tuple[Offer, ...]:
    model = catalog.default().model(form.model)
    offers = []
    for quality in model.qualities:
        if quality == "auto" or model.pictures:
            continue
        if quality == form.quality:
            each = quote
        else:
            each = pricing.quote(request.with_(quality=quality), rates=rates)
        offers.append(Offer("quality", str(request.size), quality, each.low, each.high))
    size = request.asked_size
    if rates is None and size is not None and form.quality in {o.quality for o in offers}:
        text = sum((line.dollars for line in quote.lines if "input" in line.bucket), Decimal(0))
        for why, other, cost in _near(form.model, size, form.quality):
            price = text + cost * request.n
            share = other.pixels / size.pixels
            offers.append(Offer(why, str(other), form.quality, price, price, share))
    return tuple(offers)


@lru_cache(maxsize=256)
def _near(
    model: str, size: Size, quality: str
) -> tuple[tuple[Literal["cheaper", "larger"], Size, Decimal], ...]:
    """Two larger sizes that cost no more, and a near one that costs less; output dollars."""
    try:
        larger = solver.better(model, size, quality, prompt_tokens=0)
        own = solver.sizes(
            model, quality=quality, min_pixels=size.pixels, max_pixels=size.pixels, sort="dollars"
        )
        now = next(each.dollars for each in own if each.size == size)
        across = size.width_px / size.height_px
        ratio = f"{size.width_px}:{size.height_px}"
        less = solver.sizes(model, quality=quality, ratio=ratio, ratio_tolerance="0.08")
    except (PlaygroundError, StopIteration):
        return ()
    # A size of about the same shape first: a picture that is wanted square stays square.
    larger.sort(key=lambda each: abs(each.size.width_px / each.size.height_px / across - 1))
    alike = [each for each in larger[:40] if each.dollars <= now]
    alike.sort(key=lambda each: (-each.size.pixels, each.dollars))
    cheaper = sorted((e for e in less if e.dollars < now), key=lambda e: -e.size.pixels)
    return (
        *(("larger", each.size, each.dollars) for each in alike[:2]),
        *(("cheaper", each.size, each.dollars) for each in cheaper[:1]),
    )


def _batch(
    model: Model, request: ImageRequest, rates: Rates | None
) -> tuple[Decimal, Decimal] | None:
    if model.batch == "none" or rates is not None:
        return None
    quote = pricing.quote(request.with_(tier="batch"))
    return None if quote.low is None or quote.high is None else (quote.low, quote.high)


def _text_rate(model: Model, rates: Rates | None) -> Decimal | None:
    table = rates or catalog.default().rates(model.name, "standard", pricing.today())
    return None if table is None else table.get("text_input")


def _budget(text: str) -> Decimal | None:
    if text in BUDGETS:
        return BUDGETS[text]
    try:
        amount = money.usd(text)
    except (TypeError, ValueError):
        return None
    return amount if 0 < amount < 10_000 else None


def _left(quote: Quote, text_rate: Decimal | None, budget: Decimal | None) -> int | None:
    """Whole prompt tokens that may still be added within the budget (negative: too many)."""
    if budget is None or quote.high is None or not text_rate:
        return None
    return int((budget - quote.high) * 1_000_000 // text_rate)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _said(request: ImageRequest) -> list[tuple[str, Any]]:
    """The fields that differ from the defaults of the API or belong to every call."""
    usual = {"n": 1, "partial_images": 0, "output_format": "png"}
    said: list[tuple[str, Any]] = [("size", str(request.size)), ("quality", request.quality)]
    for name in ("n", "output_format", "output_compression", "background", "moderation"):
        value = getattr(request, name)
        if value is not None and value != usual.get(name):
            said.append((name, value))
    if isinstance(request, EditRequest) and request.input_fidelity:
        said.append(("input_fidelity", request.input_fidelity))
    return said


def _python(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _name(image: Any, names: Mapping[str, str] | None) -> str:
    known = (names or {}).get(image.sha256 or "") if isinstance(image, Photo) else None
    name = known or (image.name if isinstance(image, Photo) else str(image))
    return render.printable(name)


def _quoted(text: str) -> str:
    """A shell word: nothing in it is expanded."""
    return "'" + text.replace("'", "'\\''") + "'"
