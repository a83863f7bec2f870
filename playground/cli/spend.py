"""`playground generate`, and what the commands that spend share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playground import money, render
from playground.catalog import Rates
from playground.cli import options
from playground.cli.quotes import image_request
from playground.errors import PlaygroundError
from playground.values import Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.runner.results import Kept, Result
    from playground.store import Gallery


@contextmanager
def opened(
    provider: str | None, base_url: str | None, rates: Rates | None, place: str
) -> Iterator[tuple[Gallery, Client]]:
    from playground.provider import keys
    from playground.provider.connect import connect
    from playground.store import Gallery

    asks = keys.can_ask()
    with (
        connect(provider, base_url=base_url, rates=rates, ask=asks) as client,
        Gallery(place) as opened,
    ):
        yield opened, client


def consent(yes: bool) -> Callable[[Quote], bool] | bool:
    """What answers for a quote above $1.00: `--yes`, or the person at the terminal."""
    if yes:
        return True
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        return False

    def ask(quote: Quote) -> bool:
        cost = render.range_text(quote.low, quote.high)
        return click.confirm(f"This costs {cost}. Go on?", err=True)

    return ask


@click.command(
    epilog='Example:  playground generate "a glass desert, one rider" --size 1152x576 --tag desert'
)
@click.argument("prompt")
@options.image_options
@click.option("--output-format", type=click.Choice(("png", "jpeg", "webp")), default="png")
@click.option("--background", type=click.Choice(("auto", "opaque", "transparent")))
@click.option("--moderation", type=click.Choice(("auto", "low")))
@click.option("--mask", type=click.Path(), help="Edit only where this picture is transparent.")
@click.option("--out", type=click.Path(file_okay=False), help="Also copy the pictures here.")
@click.option("--title", default="", help="A title in the gallery.")
@click.option("--tag", "tags", multiple=True, help="A tag in the gallery; repeatable.")
@options.spend_options
def generate(
    prompt: str,
    input_images: tuple[str, ...],
    mask: str | None,
    out: str | None,
    title: str,
    tags: tuple[str, ...],
    provider: str | None,
    base_url: str | None,
    gallery_place: str,
    cap: Decimal | None,
    price_text: str | None,
    yes: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Make pictures, or edit some: quoted before, billed after, kept in the gallery."""
    from playground import runner

    if mask is not None and not input_images:
        msg = "--mask goes with --input-image"
        raise click.UsageError(msg)
    if mask is not None:
        fields["mask"] = Path(mask)
    request = image_request(prompt, input_images, **fields)
    with opened(provider, base_url, options.rates_of(price_text), gallery_place) as (
        gallery,
        client,
    ):
        say_provider(client, as_json)
        result = runner.generate(
            request,
            gallery,
            client,
            cap=cap,
            title=title,
            tags=tags,
            confirm=consent(yes),
            on_quote=None if as_json else show_quote,
        )
        if out is not None and result.items:
            result = replace(result, items=_copied(gallery, result.items, Path(out)))
    if as_json:
        options.print_json(result.to_dict())
    else:
        _show_result(result)
    if not result.ok:
        message = getattr(result.outcome, "message", "")
        click.echo(f"playground: {render.printable(message)}", err=True)
        return 1
    return 0


def say_provider(client: Client, as_json: bool) -> None:
    if client.is_sample and not as_json:
        click.echo("offline: the embedded provider draws samples; nothing is charged", err=True)


def show_quote(quote: Quote) -> None:
    click.echo(f"quoted {quote.basis}: {render.range_text(quote.low, quote.high)}", err=True)


def _copied(opened: Gallery, items: tuple[Kept, ...], folder: Path) -> tuple[Kept, ...]:
    """Copies under the items' ids; the gallery keeps the originals whatever happens here."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copies = []
        for item in items:
            path = folder / f"{item.id}.{item.format}"
            path.write_bytes(opened.original(item.id))
            copies.append(replace(item, path=path))
        return tuple(copies)
    except OSError as error:
        ids = ", ".join(item.id for item in items)
        msg = (
            f"the pictures are paid for and safe in the gallery ({ids}), but could not be copied "
            f"to {folder}: {error.strerror}"
        )
        raise PlaygroundError(msg) from None


def _show_result(result: Result) -> None:
    for item in result.items:
        click.echo(f"{item.id}  {item.size}  {render.printable(item.path or '')}")
    quoted = render.range_text(result.quote.low, result.quote.high)
    if result.bill is not None and result.bill.dollars is not None:
        rows = [(x.bucket, x.tokens, x.per_million, x.dollars) for x in result.bill.lines]
        click.echo(render.breakdown_text(rows, result.bill.dollars, result.bill.dollars, ()))
        gap = result.difference
        verdict = "as quoted" if not gap else f"{money.short(gap)} beside the quote"
        click.echo(
            f"quoted {quoted}, billed {money.short(result.bill.dollars)}: {verdict}; "
            f"{result.seconds:.2f} s"
        )
    for note in result.notes:
        click.echo(f"  {render.printable(note)}")
