"""`playground caption`: an archive's plan, pilot and run in a terminal."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playground import money, render, tokens
from playground.cli import options, spend
from playground.cli.live import Block, lines_of
from playground.cli.quotes import caption_request
from playground.errors import PhotoProblem

if TYPE_CHECKING:
    from playground.batch.folder import BatchSummary
    from playground.provider.client import Client
    from playground.runner import Archive, Forecast, Side, Summary, Trial
    from playground.store import Gallery

# What a terminal shows of a long list; `--json` has all of it.
_SHOWN = 20


@click.command(
    epilog="Example:  playground caption photos/ --model gpt-5.4-nano --task alt --resize 768"
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(readable=False))
@options.caption_options
@click.option("--concurrency", type=click.IntRange(1, 256), default=64, show_default=True)
@click.option("--budget", type=options.Dollars(), help="Dollars for this run.")
@click.option("--limit", type=click.IntRange(1), help="At most so many photos.")
@click.option(
    "--pilot",
    type=click.IntRange(1),
    metavar="N",
    help="Ask about N photos drawn at random, and forecast the cost of all.",
)
@click.option(
    "--compare",
    multiple=True,
    metavar="MODEL",
    help="With --pilot: ask this model about the same photos, too, and show both (repeatable).",
)
@click.option(
    "--as-is",
    is_flag=True,
    help="Leave JPEGs that an orientation tag turns as they are, with that tag: quicker, but a "
    "model that does not obey it looks at them lying on a side. The price is the same.",
)
@click.option("--dry-run", is_flag=True, help="Plan and quote; send nothing.")
@click.option(
    "--via",
    type=click.Choice(("live", "batch")),
    help="batch: half the price, answered within a day; it goes on without this program.",
)
@click.option(
    "--wait/--no-wait",
    "wait_for_all",
    default=True,
    help="With --via batch: stay until all is answered, or come back with the same command.",
)
@options.spend_options
def caption(
    paths: tuple[str, ...],
    schema_file: str | None,
    concurrency: int,
    budget: Decimal | None,
    limit: int | None,
    pilot: int | None,
    compare: tuple[str, ...],
    as_is: bool,
    dry_run: bool,
    via: str | None,
    wait_for_all: bool,
    provider: str | None,
    base_url: str | None,
    gallery_place: str,
    cap: Decimal | None,
    price_text: str | None,
    yes: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Words about photos: files or folders. Run it again to continue where it stopped.

    Ctrl-C ends the run after the calls under way (at once when it is pressed again).
    """
    if pilot is not None and dry_run:
        msg = "--pilot asks about photos and --dry-run sends nothing; give one of them"
        raise click.UsageError(msg)
    if compare and pilot is None:
        msg = "--compare goes with --pilot N: how many photos the models are asked about"
        raise click.UsageError(msg)
    if _in_batches(via, pilot, fields):
        fields["tier"] = via = "batch"
        if as_is:
            msg = "--as-is is for calls that are made now; batches turn photos upright"
            raise click.UsageError(msg)
    tokens.expect_few_texts()
    # Checked here, so that a bad flag is refused before a gallery is made.
    request = caption_request(schema_file, **fields)
    rates = options.rates_of(price_text)
    block = Block() if sys.stderr.isatty() and not as_json else None
    forecast: Forecast | None = None
    trial: Trial | None = None
    with spend.opened(provider, base_url, rates, gallery_place) as (gallery, client):
        from playground.runner import Archive

        spend.say_provider(client, as_json)

        def shown(_: Summary) -> None:
            if block is not None:
                block.show(lambda: lines_of(archive.progress))

        def measured(count: int) -> None:
            if block is not None:
                block.show(lambda: [f"{count:,} photos measured"])

        archive = Archive(
            gallery, client, rates=rates, on_progress=shown, **fields | {"schema": request.schema}
        )
        try:
            archive.add(
                [Path(path) for path in paths],
                limit=limit,
                on_measured=measured,
            )
            if block is not None:
                block.clear()
            summary = archive.planned()
            _nothing_to_do(paths, summary)
            total = archive.quote
            if via == "batch" and not dry_run:
                return _batched(
                    gallery, client, archive, as_json=as_json, block=block,
                    budget=budget, cap=cap, confirm=spend.consent(yes), rates=rates,
                    wait_for_all=wait_for_all,
                )  # fmt: skip
            if total is not None and not as_json:
                spend.show_quote(total)
            if total is not None and not dry_run:
                asked: dict[str, Any] = {
                    "budget": budget,
                    "cap": cap,
                    "concurrency": concurrency,
                    "confirm": spend.consent(yes),
                    "as_is": as_is,
                }
                if pilot is None:
                    summary = archive.run(**asked)
                elif compare:
                    trial = archive.trial(pilot, compare, **asked)
                    forecast, summary = trial.forecast, trial.summary
                else:
                    forecast, summary = archive.pilot(pilot, **asked)
        finally:
            if block is not None:
                block.clear()
        document = summary.to_dict() | _plan_json(archive)
        waiting = 0
        if dry_run:
            from playground.batch.folder import waiting_in_batches

            waiting = waiting_in_batches(gallery, archive)
        if pilot is not None:
            document["forecast"] = forecast and forecast.to_dict()
        if compare:
            document["compare"] = trial and trial.to_dict()
        if as_json:
            options.print_json(document)
        elif dry_run:
            _show_plan(archive, summary)
            if waiting:
                click.echo(f"{waiting:,} of these wait in a batch; --via batch brings them in")
        else:
            _show_summary(summary)
            if trial is not None:
                _show_trial(trial)
            _show_forecast(archive, pilot, forecast)
        if not as_json:
            _show_problems(summary)
    if summary.interrupted:
        return 130
    return 1 if summary.stopped or summary.failed or summary.unknown or summary.errors else 0


def _in_batches(via: str | None, pilot: int | None, fields: dict[str, Any]) -> bool:
    """Whether it goes to the Batch endpoint; refuses flags that contradict each other."""
    tier = fields["tier"]
    if via == "live" and tier == "batch":
        msg = "--tier batch goes with --via batch"
        raise click.UsageError(msg)
    if via != "batch" and tier != "batch":
        return False
    if tier not in {"standard", "batch"}:
        msg = f"--via batch has the tier batch, not {tier}"
        raise click.UsageError(msg)
    if pilot is not None:
        msg = "a pilot asks live: run it with --pilot first, then the rest with --via batch"
        raise click.UsageError(msg)
    return True


def _batched(
    gallery: Gallery,
    client: Client,
    archive: Archive,
    *,
    as_json: bool,
    block: Block | None,
    **options_: Any,
) -> int:
    from playground.batch.folder import how_to_come_back, in_batches

    def shown(now: BatchSummary) -> None:
        if block is not None:
            block.show(lambda: _batch_lines(now))

    summary = in_batches(
        gallery,
        client,
        archive,
        on_quote=None if as_json else spend.show_quote,
        on_progress=shown,
        **options_,
    )
    if block is not None:
        block.clear()
    back = how_to_come_back(summary)
    if as_json:
        options.print_json(summary.to_dict() | _plan_json(archive))
    else:
        _show_summary(summary)
        if back:
            click.echo(back)
        for note in summary.notes:
            click.echo(render.printable(note), err=True)
        _show_problems(summary)
    if summary.interrupted:
        return 130
    return 1 if summary.stopped or summary.failed or summary.unknown or summary.errors else 0


def _batch_lines(now: BatchSummary) -> list[str]:
    lines = [f"{now.captioned:,} captioned, {money.short(now.settled_dollars)} billed"]
    if now.waiting:
        held = money.short(now.standing.held)
        lines.append(f"{now.standing}; up to {held} held. Ctrl-C leaves them running")
    lines += [
        f"  {batch.remote_id or batch.phase}  {batch.status or batch.phase}  "
        f"{batch.completed + batch.failed:,} of {batch.lines:,}"
        for batch in now.standing.batches[:8]
    ]
    return lines


def _nothing_to_do(paths: tuple[str, ...], summary: Summary) -> None:
    if summary.planned or summary.skipped:
        return
    if not summary.errors:
        msg = f"no photos in {', '.join(paths)}; nothing was sent and nothing was spent"
        raise PhotoProblem(msg)
    first = _problem_text(summary.errors[0].path, summary.errors[0].why)
    more = f" (and {len(summary.errors) - 1:,} more)" if len(summary.errors) > 1 else ""
    msg = f"{first}{more}; nothing was sent and nothing was spent"
    raise PhotoProblem(msg)


def _plan_json(archive: Archive) -> dict[str, Any]:
    return {
        "copies": [{"path": copy.path, "same_as": copy.same_as} for copy in archive.duplicates],
        "savings": [
            {
                "resize": saving.resize,
                "dollars": {"low": money.plain(saving.low), "high": money.plain(saving.high)},
                "upload_bytes": saving.upload_bytes,
            }
            for saving in archive.savings()
        ],
    }


def _show_plan(archive: Archive, summary: Summary) -> None:
    quoted = summary.quoted
    cost = "nothing" if quoted is None else render.range_text(quoted.low, quoted.high)
    click.echo(
        f"{summary.planned:,} to ask about, {summary.skipped:,} already answered"
        f"{_copies(archive)}: {cost}; nothing was sent"
    )
    rows = [
        (
            "as they are" if saving.resize is None else f"{saving.resize} px",
            render.range_text(saving.low, saving.high),
            _bytes(saving.upload_bytes),
        )
        for saving in archive.savings()
    ]
    for copy in archive.duplicates[:_SHOWN]:
        text = f"copy: {copy.path} is the same picture as {copy.same_as}"
        click.echo(render.printable(text), err=True)
    if summary.planned:
        options.print_table(("photos sent", "dollars", "upload"), rows, "lrr")


def _copies(archive: Archive) -> str:
    count = len(archive.duplicates)
    return f" ({count:,} of them {'a copy' if count == 1 else 'copies'})" if count else ""


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"


def _show_summary(summary: Summary) -> None:
    click.echo(
        f"{summary.captioned:,} captioned, {summary.skipped:,} already answered, "
        f"{summary.failed:,} failed, {summary.unknown:,} unknown; "
        f"billed {money.grouped(summary.settled_dollars)}"
        + (f", held {money.short(summary.held_dollars)}" if summary.held_dollars else "")
        + f"; {summary.seconds:.1f} s, {summary.photos_per_second:.1f} photos/s"
    )


def _show_trial(trial: Trial) -> None:
    rows = [
        (
            side.model,
            str(side.forecast).partition(" (")[0] if side.forecast else "no answer",
            "" if side.dollars is None else money.short(side.dollars),
            _in_and_out(side),
            "" if side.seconds is None else f"{side.seconds:.2f}",
        )
        for side in trial.sides
    ]
    names = ("model", "all of it", "a photo", "tokens in + out", "seconds")
    options.print_table(names, rows, "lrrrr")
    click.echo(
        f"{len(trial.pairs):,} photos with their answers are in the gallery (run {trial.run_id}); "
        "--json lists them"
    )


def _in_and_out(side: Side) -> str:
    if side.input_tokens is None or side.output_tokens is None:
        return ""
    return f"{side.input_tokens:,.0f} + {side.output_tokens:,.0f}"


def _show_forecast(archive: Archive, pilot: int | None, forecast: Forecast | None) -> None:
    if pilot is None:
        return
    if forecast is None:
        click.echo("no photo of the pilot was answered, so there is no forecast")
        return
    left = archive.remaining
    click.echo(f"all of it: {forecast}")
    if left:
        click.echo(f"{left:,} are left; the same command without --pilot asks about them")


def _show_problems(summary: Summary) -> None:
    problems = list(summary.errors)
    if len(problems) <= _SHOWN:
        for problem in problems:
            click.echo(f"refused: {_problem_text(problem.path, problem.why)}", err=True)
    else:
        from playground.runner.progress import reasons_of

        for reason in reasons_of(problems):
            text = f"{reason.count:,} refused: {reason.why} (as {reason.example})"
            click.echo(render.printable(text), err=True)
        click.echo("--json lists each of them", err=True)
    if summary.stopped:
        click.echo(f"playground: {render.printable(summary.stopped)}", err=True)


def _problem_text(path: str, why: str) -> str:
    return render.printable(why if Path(path).name in why else f"{path}: {why}")
