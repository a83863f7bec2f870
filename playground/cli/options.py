"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from playground import money
from playground.catalog import Rates
from playground.errors import InvalidRequest
from playground.render import printable
from playground.size import Size
from playground.values import DETAILS, TASKS, TIERS

_F = TypeVar("_F", bound=Callable[..., Any])


class SizeText(click.ParamType[str]):
    """`976x704`, or `auto` where the model may choose."""

    name = "WxH"

    def __init__(self, *, auto: bool) -> None:
        self.auto = auto

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse text that is no size as a usage error; the model's rules come later."""
        if self.auto and value == "auto":
            return "auto"
        try:
            return str(Size.parse(value))
        except InvalidRequest as error:
            self.fail(str(error), param, ctx)


class Dollars(click.ParamType[Decimal]):
    """An amount of dollars, zero or more, exact."""

    name = "DOLLARS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Decimal text only: a float would not be exact."""
        try:
            amount = money.usd(value)
        except (TypeError, ValueError) as error:
            self.fail(str(error), param, ctx)
        if amount < 0:
            self.fail(f"{value} is below zero", param, ctx)
        return amount


class Day(click.ParamType[dt.date]):
    """A calendar day."""

    name = "YYYY-MM-DD"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.date:
        """ISO dates only."""
        if isinstance(value, dt.date):
            return value
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day; write it as 2026-03-17", param, ctx)


def chain(*decorators: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Several option decorators as one, in the order in which the help lists them."""

    def decorate(function: _F) -> _F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
tier_option = click.option(
    "--tier", type=click.Choice(TIERS), default="standard", show_default=True, help="Service tier."
)
on_option = click.option("--on", type=Day(), help="Prices of that day (default: today, UTC).")

image_options = chain(
    click.option("--model", default="gpt-image-2", show_default=True, help="Image model."),
    click.option(
        "--size",
        type=SizeText(auto=True),
        default="976x704",
        show_default=True,
        help="Width x height in pixels, or auto.",
    ),
    click.option(
        "--quality", default="low", show_default=True, help="low, medium, high, …, or auto."
    ),
    click.option("--n", type=int, default=1, show_default=True, help="Pictures in one call."),
    tier_option,
    click.option(
        "--partial-images", type=int, default=0, metavar="K", help="Streamed previews, 0 to 3."
    ),
    click.option(
        "--input-image",
        "input_images",
        multiple=True,
        type=click.Path(),
        help="A picture to edit; repeatable.",
    ),
)

caption_options = chain(
    click.option("--model", default="gpt-5.4-nano", show_default=True, help="Vision model."),
    click.option("--detail", type=click.Choice(DETAILS), default="auto", show_default=True),
    click.option(
        "--endpoint",
        type=click.Choice(("responses", "chat")),
        default="responses",
        show_default=True,
        help="Which API is asked; many compatible servers only have chat.",
    ),
    click.option("--prompt", help="Your own question (default: the task's)."),
    click.option("--task", type=click.Choice(TASKS), default="describe", show_default=True),
    click.option(
        "--resize", type=int, metavar="PX", help="Scale down to this longest side before sending."
    ),
    click.option(
        "--max-output-tokens",
        type=int,
        default=300,
        show_default=True,
        help="The longest answer; the reservation assumes it.",
    ),
    click.option(
        "--expect-output-tokens", type=int, help="Quote an answer of this length instead."
    ),
    click.option(
        "--schema",
        "schema_file",
        type=click.Path(exists=True, dir_okay=False),
        help="JSON Schema for the task attributes.",
    ),
    tier_option,
)

price_option = click.option(
    "--price",
    "price_text",
    metavar="free|BUCKET=USD,…",
    help="Dollars per million tokens, for what the catalog does not know, as in "
    "text_input=0.2,text_output=1.25.",
)

gallery_option = click.option(
    "--gallery",
    "gallery_place",
    envvar="PLAYGROUND_GALLERY",
    default="./gallery",
    show_default=True,
    help="Gallery folder, or a postgresql:// URL.",
)

spend_options = chain(
    click.option(
        "--provider",
        type=click.Choice(("offline", "openai")),
        help="Default: openai when a key is set, else offline.",
    ),
    click.option("--base-url", help="Another OpenAI-compatible endpoint."),
    gallery_option,
    click.option(
        "--cap",
        type=Dollars(),
        help="Dollars that this gallery may ever commit, for this call (also: PLAYGROUND_CAP).",
    ),
    price_option,
    click.option("--yes", is_flag=True, help="Do not ask above $1.00."),
    json_option,
)


def was_given(context: click.Context, name: str) -> bool:
    """Whether a value was written, and is not just the default."""
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


@dataclass(frozen=True, slots=True)
class Spending:
    """What `spend_options` give, as one value."""

    provider: str | None
    base_url: str | None
    gallery_place: str
    cap: Decimal | None
    rates: Rates | None
    yes: bool

    @classmethod
    def taken(cls, given: dict[str, Any]) -> Spending:
        """Takes them out of a command's values; the others stay."""
        given.pop("as_json", None)
        rates = rates_of(given.pop("price_text"))
        names = ("provider", "base_url", "gallery_place", "cap", "yes")
        return cls(rates=rates, **{name: given.pop(name) for name in names})


def rates_of(price_text: str | None) -> Rates | None:
    """The rates that `--price` names, or None."""
    from playground.catalog import parse_rates

    return None if price_text is None else parse_rates(price_text)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout, valid also where file names are not."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    try:
        text.encode()
    except UnicodeEncodeError:  # a name with bytes that are no text
        text = json.dumps(document, indent=2)
    click.echo(text)


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers: str = "") -> None:
    """Columns on stdout; `numbers` has an `r` for each column that is aligned to the right."""
    texts = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    for row in [list(head), *texts]:
        cells = (
            cell.rjust(width) if numbers[i : i + 1] == "r" else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())
