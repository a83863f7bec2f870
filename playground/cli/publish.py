"""`playground gallery publish` and `unpublish`: what strangers get, looked at first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from playground import render
from playground.cli import options
from playground.publish.boards import places_of, told
from playground.publish.entries import DEFAULT_FIELDS, FIELDS, Entry
from playground.store import Gallery, Where

_PREVIEWED = 20


def _names(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> Any:
    """Names given one by one or with commas between them."""
    return tuple(part.strip() for each in given for part in each.split(",") if part.strip())


@click.command(
    epilog="Example:  playground gallery publish --search 'desert rating:>=4' --with cost shared/"
)
@click.argument("words", nargs=-1, metavar="[ID]... DEST")
@click.option("--all", "everything", is_flag=True, help="The whole gallery, without the trash.")
@click.option("--search", "text", default="", help="What this search finds.")
@click.option("--where", multiple=True, metavar="FACET=VALUE", help="As of `gallery list`.")
@click.option(
    "--with",
    "more",
    multiple=True,
    callback=_names,
    metavar="FIELD",
    help=f"Let this go along, too: {', '.join(f for f in FIELDS if f not in DEFAULT_FIELDS)}.",
)
@click.option(
    "--without",
    "less",
    multiple=True,
    callback=_names,
    metavar="FIELD",
    help=f"Keep this private: {', '.join(DEFAULT_FIELDS)}.",
)
@click.option(
    "--fields", multiple=True, callback=_names, metavar="FIELD", help="Exactly these fields."
)
@click.option(
    "--board",
    "boards",
    multiple=True,
    metavar="CLUB",
    help="A challenge board of these pictures: half-penny, quarter-penny, under-20, 0.004, or "
    "rules as in 'name=Tiny,dollars=0.003,quality=low'. It shows stars, bills and tokens.",
)
@click.option("--title", help="Stands above the pictures; DEST keeps the one that it has.")
@click.option("--base-url", help="Where the site will be: for previews and feeds.")
@click.option("--add", is_flag=True, help="Keep what is in DEST, and put these items first.")
@click.option(
    "--preview",
    "--dry-run",
    "look",
    is_flag=True,
    help="Only show what strangers would get; DEST may be left out.",
)
@options.gallery_option
@options.json_option
def publish(
    words: tuple[str, ...],
    everything: bool,
    text: str,
    where: tuple[str, ...],
    more: tuple[str, ...],
    less: tuple[str, ...],
    fields: tuple[str, ...],
    boards: tuple[str, ...],
    title: str | None,
    base_url: str | None,
    add: bool,
    look: bool,
    gallery_place: str,
    as_json: bool,
) -> None:
    """Make a snapshot for strangers: the public page and a web site, with nothing else in it.

    Pictures are encoded anew under neutral names, without metadata. Alternative text always goes
    along; notes, costs, collections and challenge boards only when asked for. DEST is replaced in
    one step.
    """
    from playground import publish as publishing
    from playground.cli.opening import must_exist

    by_search = everything or bool(text) or bool(where)
    *ids, dest = words if words and not look else (*words, "")
    if look and words and (by_search or not _is_id(words[-1])):
        *ids, dest = words  # DEST is said although nothing is made
    if ids and by_search:
        msg = "name ids, or use --all, --search or --where; not both"
        raise click.UsageError(msg)
    if not (ids or by_search) or not (look or dest):
        msg = "say what to publish (ids, --all, --search TEXT) and where to (DEST)"
        raise click.UsageError(msg)
    chosen = [*(fields or DEFAULT_FIELDS), *more]
    unknown = [name for name in (*chosen, *less) if name not in FIELDS]
    if unknown:
        msg = f"{unknown[0]!r} is not a field; there are {', '.join(FIELDS)}"
        raise click.UsageError(msg)
    chosen = [name for name in chosen if name not in less]
    selection = publishing.Selection(tuple(ids), text, Where.parse(where), everything)
    must_exist(gallery_place)
    with Gallery(gallery_place) as opened:
        if look:
            shown = publishing.preview(opened, selection, chosen, boards)
            _show(shown, _staying(dest, shown) if add and dest else (), as_json)
            return
        made = publishing.publish(
            opened,
            selection,
            chosen,
            dest,
            title=title or None,
            base_url=base_url,
            add=add,
            boards=boards,
            progress=_progress,
        )
    if as_json:
        options.print_json(
            {
                "snapshot": str(made.folder),
                "index": str(made.index),
                "published": made.count,
                "encoded": made.encoded,
                "reused": made.reused,
                "bytes": made.size_bytes,
                "fields": list(made.fields),
                "boards": [{"id": b.id, "pictures": len(b.places)} for b in made.boards],
                "missing": [{"item": item, "why": why} for item, why in made.missing],
                "notices": list(made.notices),
            }
        )
        return
    click.echo(f"{_count(made.count)} for strangers in {render.printable(made.folder)}")
    click.echo(f"goes along: {_along(made.fields)}")
    for board in made.boards:
        click.echo(f"challenge board: {board.name}, {_count(len(board.places))}")
    click.echo(f"open it: {render.printable(made.index)}")
    click.echo(f"serve it: playground serve --public {render.printable(dest)}")
    for notice in made.notices:
        click.echo(f"note: {render.printable(notice)}", err=True)
    for item, why in made.missing:
        click.echo(f"left out: {item} ({render.printable(why)})", err=True)


def _is_id(text: str) -> bool:
    """Whether it can be the beginning of an item's id: DEST may be left out of a preview."""
    return text.isalnum() and not Path(text).exists()


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done:,} of {total:,}", nl=done == total, err=True)


def _count(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _along(fields: tuple[str, ...]) -> str:
    return ", ".join(("alternative text", *(FIELDS[name] for name in fields)))


def _staying(dest: str, preview: Any) -> Sequence[Entry]:
    from playground import publish as publishing
    from playground.publish.database import NAME

    if not (Path(dest) / NAME).exists():
        return ()
    with publishing.Snapshot(dest) as snapshot:
        return publishing.staying(snapshot, preview.entries)


def _show(preview: Any, stays: Sequence[Entry], as_json: bool) -> None:
    if as_json:
        more = {"stays": [entry.to_dict() for entry in stays]} if stays else {}
        options.print_json({**preview.to_dict(), **more})
        return
    click.echo(f"{_count(len(preview.entries))} would be published; nothing was made")
    click.echo(f"goes along: {_along(preview.fields)}")
    for name, count in preview.withheld.items():
        click.echo(f"stays private: {FIELDS[name]} ({count:,})")
    for entry in preview.entries[:_PREVIEWED]:
        click.echo()
        _show_entry(entry, preview.private_ids[entry.id])
        for board, rank, place in places_of(preview.boards, entry.id):
            click.echo(f"  {'board':10} {board.name}, {told(board, rank, place)}")
    rest = len(preview.entries) - _PREVIEWED
    if rest > 0:
        click.echo(f"\nand {rest:,} more; --json lists them all")
    if stays:
        click.echo(f"\n{_count(len(stays))} in DEST would stay as published before")
    for entry in stays[:_PREVIEWED]:
        click.echo()
        _show_entry(entry)
    if len(stays) > _PREVIEWED:
        click.echo(f"\nand {len(stays) - _PREVIEWED:,} more that stay; --json lists them all")
    for notice in preview.notices:
        click.echo(f"note: {render.printable(notice)}", err=True)


def _show_entry(entry: Entry, item_id: str = "") -> None:
    values = entry.to_dict()
    name = f"{item_id}  as " if item_id else ""
    click.echo(f"{name}{values.pop('id')}, {values.pop('kind')}, ", nl=False)
    click.echo(f"{values.pop('width_px')}x{values.pop('height_px')}")
    for name, value in values.items():
        shown = [each["text"] for each in value] if name == "captions" else value
        lines = shown if isinstance(shown, list) and name == "captions" else [shown]
        for line in lines:
            text = ", ".join(line) if isinstance(line, list) else str(line)
            click.echo(f"  {name:10} {render.one_line(text, 100)}")


@click.command(epilog="Example:  playground gallery unpublish shared/ 3f9a")
@click.argument("dest", type=click.Path())
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="Take the whole snapshot away.")
@options.gallery_option
@options.json_option
def unpublish(
    dest: str, ids: tuple[str, ...], everything: bool, gallery_place: str, as_json: bool
) -> None:
    """Take items out of a snapshot, or all of it away. The gallery itself stays as it is.

    IDs are those of the gallery's items, or the published ones in the addresses of pictures.
    """
    from contextlib import ExitStack

    from playground import publish as publishing
    from playground.store.opening import DATABASE

    if bool(ids) == everything:
        msg = "name the ids to take back, or use --all"
        raise click.UsageError(msg)
    with ExitStack() as stack:
        there = "://" in gallery_place or (Path(gallery_place) / DATABASE).exists()
        opened = stack.enter_context(Gallery(gallery_place)) if there else None
        count = publishing.unpublish(dest, ids, gallery=opened, everything=everything)
    if as_json:
        options.print_json({"snapshot": dest, "unpublished": count})
        return
    click.echo(f"{_count(count)} taken out of {render.printable(dest)}")
    click.echo("copies on a web host stay until the folder is uploaded again", err=True)
