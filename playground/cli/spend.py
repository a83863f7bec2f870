"""`playground generate` and `playground caption`: the commands that spend."""

from __future__ import annotations

import sys
import time
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
from playground.cli.quotes import caption_request, image_request
from playground.errors import PhotoProblem, PlaygroundError
from playground.values import Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.runner.results import Kept, Result, Summary
    from playground.store import Gallery


@contextmanager
def _opened(
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


def _consent(yes: bool) -> Callable[[Quote], bool] | bool:
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
    with _opened(provider, base_url, options.rates_of(price_text), gallery_place) as (
        opened,
        client,
    ):
        _say_provider(client, as_json)
        result = runner.generate(
            request,
            opened,
            client,
            cap=cap,
            title=title,
            tags=tags,
            confirm=_consent(yes),
            on_quote=None if as_json else _show_quote,
        )
        if out is not None and result.items:
            result = replace(result, items=_copied(opened, result.items, Path(out)))
    if as_json:
        options.print_json(result.to_dict())
    else:
        _show_result(result)
    if not result.ok:
        message = getattr(result.outcome, "message", "")
        click.echo(f"playground: {render.printable(message)}", err=True)
        return 1
    return 0


def _say_provider(client: Client, as_json: bool) -> None:
    if client.is_sample and not as_json:
        click.echo("offline: the embedded provider draws samples; nothing is charged", err=True)


def _show_quote(quote: Quote) -> None:
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


@click.command(
    epilog="Example:  playground caption photos/ --model gpt-5.4-nano --task alt --resize 768"
)
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@options.caption_options
@click.option("--concurrency", type=click.IntRange(1, 256), default=64, show_default=True)
@click.option("--budget", type=options.Dollars(), help="Dollars for this run.")
@click.option("--limit", type=click.IntRange(1), help="At most so many photos.")
@click.option("--dry-run", is_flag=True, help="Plan and quote; send nothing.")
@options.spend_options
def caption(
    paths: tuple[str, ...],
    schema_file: str | None,
    concurrency: int,
    budget: Decimal | None,
    limit: int | None,
    dry_run: bool,
    provider: str | None,
    base_url: str | None,
    gallery_place: str,
    cap: Decimal | None,
    price_text: str | None,
    yes: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Words about photos: files or folders. Run it again to continue where it stopped."""
    from playground import runner

    # Checked here, so that a bad flag is refused before a gallery is made.
    request = caption_request(schema_file, **fields)
    rates = options.rates_of(price_text)
    with _opened(provider, base_url, rates, gallery_place) as (opened, client):
        _say_provider(client, as_json)
        progress = _Progress() if sys.stderr.isatty() and not as_json else None
        summary = runner.caption_folder(
            [Path(path) for path in paths],
            opened,
            client,
            **fields,
            schema=request.schema,
            concurrency=concurrency,
            budget=budget,
            limit=limit,
            cap=cap,
            dry_run=dry_run,
            confirm=_consent(yes),
            on_quote=None if as_json else _show_quote,
            on_progress=progress,
        )
        if progress is not None:
            progress.end()
    if not summary.planned and not summary.skipped:
        raise PhotoProblem(_nothing_to_do(paths, summary))
    if as_json:
        options.print_json(summary.to_dict())
    else:
        _show_summary(summary, dry_run)
    if summary.interrupted:
        return 130
    return 1 if summary.stopped or summary.failed or summary.unknown or summary.errors else 0


def _nothing_to_do(paths: tuple[str, ...], summary: Summary) -> str:
    if not summary.errors:
        return f"no photos in {', '.join(paths)}; nothing was sent and nothing was spent"
    more = f" (and {len(summary.errors) - 1:,} more)" if len(summary.errors) > 1 else ""
    return f"{summary.errors[0].why}{more}; nothing was sent and nothing was spent"


class _Progress:
    """One line on the terminal, rewritten at most ten times a second."""

    def __init__(self) -> None:
        self.shown_at = 0.0

    def __call__(self, summary: Summary) -> None:
        now = time.monotonic()
        if now - self.shown_at >= 0.1:
            self.shown_at = now
            click.echo(f"\r\x1b[K{_line(summary)}", err=True, nl=False)

    def end(self) -> None:
        """Clear the line."""
        click.echo("\r\x1b[K", err=True, nl=False)


def _line(summary: Summary) -> str:
    parts = [f"{summary.done:,} of {summary.planned:,}"]
    parts.append(f"{summary.photos_per_second:.1f} photos/s")
    parts.append(f"{money.short(summary.settled_dollars)} spent")
    if summary.held_dollars:
        parts.append(f"{money.short(summary.held_dollars)} held")
    if summary.failed or summary.unknown:
        parts.append(f"{summary.failed:,} failed, {summary.unknown:,} unknown")
    return " · ".join(parts)


def _show_summary(summary: Summary, dry_run: bool) -> None:
    if dry_run:
        quoted = summary.quoted
        cost = "nothing" if quoted is None else render.range_text(quoted.low, quoted.high)
        click.echo(
            f"{summary.planned:,} to ask about, {summary.skipped:,} already answered: {cost}; "
            "nothing was sent"
        )
    else:
        click.echo(
            f"{summary.captioned:,} captioned, {summary.skipped:,} already answered, "
            f"{summary.failed:,} failed, {summary.unknown:,} unknown; "
            f"billed {money.grouped(summary.settled_dollars)}"
            + (f", held {money.short(summary.held_dollars)}" if summary.held_dollars else "")
            + f"; {summary.seconds:.1f} s, {summary.photos_per_second:.1f} photos/s"
        )
    for problem in summary.errors:
        named = Path(problem.path).name in problem.why
        text = problem.why if named else f"{problem.path}: {problem.why}"
        click.echo(f"refused: {render.printable(text)}", err=True)
    if summary.stopped:
        click.echo(f"playground: {render.printable(summary.stopped)}", err=True)
