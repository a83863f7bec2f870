"""`playground batches`: what waits at the provider, and bringing it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from playground import money, render
from playground.cli import options, spend
from playground.errors import GalleryProblem

if TYPE_CHECKING:
    from playground.batch import BatchRun
    from playground.store import Gallery
    from playground.store.batches import Batch


@click.command(epilog="Example:  playground batches --fetch")
@click.option("--all", "every", is_flag=True, help="Also those that are done.")
@click.option("--fetch", is_flag=True, help="Look at them once, and book what has ended.")
@click.option(
    "--cancel",
    metavar="ID|all",
    help="Ask for their end: what is done by then is delivered and billed (up to ten minutes).",
)
@click.option(
    "--give-up",
    metavar="ID",
    help="Wait no longer for a batch that the provider does not know; its price stays held.",
)
@click.option("--provider", type=click.Choice(("offline", "openai")))
@click.option("--base-url", help="Another OpenAI-compatible endpoint.")
@options.gallery_option
@options.json_option
def batches(
    every: bool,
    fetch: bool,
    cancel: str | None,
    give_up: str | None,
    provider: str | None,
    base_url: str | None,
    gallery_place: str,
    as_json: bool,
) -> int:
    """Batches of captions: how far they are, fetch, cancel. Nothing new is bought here."""
    with spend.opened(provider, base_url, None, gallery_place) as (gallery, client):
        from playground.batch import BatchRun

        run = BatchRun(gallery, client)
        if fetch:
            run.adopt()
            run.poll()
        if cancel is not None:
            _cancel(run, gallery, cancel)
        if give_up is not None:
            run.give_up(_named(gallery, give_up).id)
        book = gallery.ledger.batches
        shown = book.all() if every else book.unfinished()
        _show(run, shown, gallery, as_json=as_json)
    return 1 if run.stopped or run.failed or run.unknown else 0


def _named(gallery: Gallery, name: str) -> Batch:
    """A batch by the provider's id or ours, or the beginning of either."""
    found = [
        batch
        for batch in gallery.ledger.batches.unfinished()
        if batch.id.startswith(name) or (batch.remote_id or "").startswith(name)
    ]
    if len(found) != 1:
        count = "no" if not found else f"{len(found)}"
        msg = f"{count} unfinished batches are called {name!r}; `playground batches` lists them"
        raise GalleryProblem(msg)
    return found[0]


def _cancel(run: BatchRun, gallery: Gallery, name: str) -> None:
    only = None if name == "all" else _named(gallery, name).id
    count = run.cancel(only)
    run.notes.append(f"{count:,} asked to end; `playground batches --fetch` books what was done")


def _show(run: BatchRun, shown: list[Batch], gallery: Gallery, *, as_json: bool) -> None:
    book = gallery.ledger.batches
    waiting = {batch.id: book.held(batch.id) for batch in shown}
    if as_json:
        options.print_json(
            {
                "captioned": run.captioned,
                "settled_dollars": money.plain(run.dollars),
                "batches": [
                    {
                        "id": batch.remote_id,
                        "own_id": batch.id,
                        "provider": batch.provider,
                        "model": batch.model,
                        "phase": batch.phase,
                        "status": batch.status,
                        "lines": batch.lines,
                        "completed": batch.completed,
                        "failed": batch.failed,
                        "waiting": waiting[batch.id][0],
                        "held_dollars": money.plain(waiting[batch.id][1]),
                        "created_at": batch.created_at.isoformat(),
                    }
                    for batch in shown
                ],
                "notes": run.notes,
            }
        )
        return
    if shown:
        rows = [
            (
                batch.remote_id or batch.id,
                batch.provider,
                batch.model,
                batch.status or batch.phase,
                f"{batch.completed + batch.failed:,} of {batch.lines:,}",
                money.short(waiting[batch.id][1]),
                f"{batch.created_at:%Y-%m-%d %H:%M}",
            )
            for batch in shown
        ]
        head = ("batch", "provider", "model", "status", "answered", "held", "made (UTC)")
        options.print_table(head, rows, "llllrrl")
    else:
        click.echo("no batch waits")
    if run.captioned:
        click.echo(f"{run.captioned:,} captioned, billed {money.grouped(run.dollars)}")
    for problem in run.errors[:20]:
        click.echo(f"refused: {render.printable(f'{problem.path}: {problem.why}')}", err=True)
    for note in [*run.notes, *filter(None, [run.stopped])]:
        click.echo(render.printable(note), err=True)
