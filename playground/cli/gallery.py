"""`playground gallery …`: look, annotate, keep safe."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from playground import money, render
from playground.cli import options, transfer
from playground.cli.opening import must_exist as must_exist
from playground.cli.opening import open_gallery
from playground.cli.publish import publish, unpublish
from playground.store import Where, restore_backup
from playground.store.records import SORTS
from playground.values import GalleryItem

_GROUP_BY = ("day", "model", "tier", "run")


@click.group()
def gallery() -> None:
    """What was made and captioned, with every note, tag, rating and bill."""


for _command in (transfer.import_, transfer.export, transfer.alt):
    gallery.add_command(_command)


_browse = options.chain(
    click.option(
        "--where",
        multiple=True,
        metavar="FACET=VALUE",
        help="model, kind, rating (at least), tag, collection, since or max-dollars; repeatable.",
    ),
    click.option("--sort", type=click.Choice(SORTS), default="newest", show_default=True),
    click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True),
    click.option("--after", metavar="CURSOR", help="The `next` of the page before."),
    options.gallery_option,
    options.json_option,
)


@gallery.command("list", epilog="Example:  playground gallery list --where rating=4 --sort best")
@_browse
def list_(**browse: Any) -> None:
    """The items, newest first."""
    _browse_items("", **browse)


@gallery.command(epilog="Example:  playground gallery search '\"glass desert\" -night drag*'")
@click.argument("text")
@_browse
def search(text: str, **browse: Any) -> None:
    """Items by words in prompts, captions, notes, tags and titles.

    Words, "phrases", prefix*, -not; anything else is taken literally.
    """
    _browse_items(text, **browse)


def _browse_items(
    text: str,
    *,
    where: tuple[str, ...],
    sort: Any,
    limit: int,
    after: str | None,
    gallery_place: str,
    as_json: bool,
) -> None:
    facets = Where.parse(where)
    with open_gallery(gallery_place) as opened:
        page = opened.search(text, where=facets, sort=sort, limit=limit, after=after)
    if as_json:
        options.print_json(page.to_dict())
        return
    if not page.items:
        click.echo(
            "nothing found"
            if text or where
            else "the gallery is empty; `playground generate` or "
            "`playground gallery import FOLDER` puts something in"
        )
        return
    options.print_table(
        ("id", "kind", "size", "model", "stars", "billed", "what"),
        [
            (
                item.id,
                item.kind,
                item.size,
                item.model or "",
                "★" * (item.rating or 0),
                _billed(item),
                render.one_line(_what(item), 60),
            )
            for item in page.items
        ],
        numbers="lllllr",
    )
    rest = page.total - len(page.items)
    if page.next:
        click.echo(f"{page.total:,} in all; next page: --after {page.next}")
    elif rest > 0:
        click.echo(f"{page.total:,} in all")


def _billed(item: GalleryItem) -> str:
    known = item.billed is not None or item.captions
    return money.short(item.total_billed) if known else ""


def _what(item: GalleryItem) -> str:
    captions = [caption.text for caption in item.captions]
    return item.title or item.prompt or (captions[-1] if captions else item.name)


@gallery.command(epilog="Example:  playground gallery show 3f9a")
@click.argument("item_id")
@options.gallery_option
@options.json_option
def show(item_id: str, gallery_place: str, as_json: bool) -> None:
    """Everything about one item (the beginning of its id is enough)."""
    with open_gallery(gallery_place) as opened:
        item = opened.item(item_id)
        path = opened.original_path(item.id)
        origin = [edit.who for edit in opened.history(item.id)[:1] if not edit.after]
    if as_json:
        options.print_json({**item.to_dict(), "path": str(path) if path else None})
        return
    _show(item)
    for who in origin:
        click.echo(f"{'came by':10} {render.printable(who)}")
    if path:
        click.echo(f"{'file':10} {render.printable(path)}")


def _show(item: GalleryItem) -> None:
    def line(name: str, value: object) -> None:
        if value not in (None, "", ()):
            click.echo(f"{name:10} {render.printable(value, keep_newlines=True)}")

    line("id", item.id)
    line("kind", f"{item.kind}{' (sample)' if item.sample else ''}")
    line("title", item.title)
    line("name", item.name)
    line("prompt", item.prompt)
    line("model", item.model)
    asked = f", asked {item.asked_size}" if item.asked_size not in {None, str(item.size)} else ""
    line("size", f"{item.size}{asked}")
    line("quality", item.quality)
    if item.quoted_low is not None or item.billed is not None:
        line("quoted", render.range_text(item.quoted_low, item.quoted_high))
        line("billed", "unknown" if item.billed is None else money.grouped(item.billed))
        line(
            "tokens", ", ".join(f"{name} {count:,}" for name, count in item.usage.to_dict().items())
        )
    line("request", item.request_id)
    line("stars", "★" * (item.rating or 0))
    line("tags", ", ".join(item.tags))
    line("note", item.note)
    line("alt", item.alt)
    line("made from", ", ".join(item.parents))
    for caption in item.captions:
        by = f"{caption.task} by {caption.model}"
        if caption.quoted_high is not None or caption.billed is not None:
            by += f", {'unknown' if caption.billed is None else money.short(caption.billed)}"
        line("caption", f"{caption.text}  [{by}]")
    line("deleted", item.deleted_at)


@gallery.command(epilog="Example:  playground gallery annotate 3f9a --rating 5 --tag desert")
@click.argument("item_id")
@click.option("--rating", type=click.IntRange(0, 5), help="Stars; 0 removes them.")
@click.option("--note")
@click.option("--tag", multiple=True, help="Add a tag; repeatable.")
@click.option("--untag", multiple=True, help="Remove a tag; repeatable.")
@click.option("--title")
@click.option("--caption", help="A caption of your own.")
@click.option("--alt", help="Alt text.")
@click.option("--collection")
@options.gallery_option
@options.json_option
def annotate(item_id: str, gallery_place: str, as_json: bool, **fields: Any) -> None:
    """Rate, tag, name and note an item; every change keeps its history."""
    changes = {name: value for name, value in fields.items() if value not in (None, ())}
    if not changes:
        msg = "say what to change: --rating, --note, --tag, --untag, --title, --caption, --alt"
        raise click.UsageError(msg)
    with open_gallery(gallery_place, writing=True) as opened:
        item = opened.annotate(item_id, **changes)
    if as_json:
        options.print_json(item.to_dict())
    else:
        _show(item)


@gallery.command(epilog="Example:  playground gallery delete 3f9a")
@click.argument("item_id")
@options.gallery_option
@options.json_option
def delete(item_id: str, gallery_place: str, as_json: bool) -> None:
    """Put an item in the trash; `restore` brings it back. Files stay where they are."""
    with open_gallery(gallery_place, writing=True) as opened:
        item = opened.delete(item_id)
    _said(item, as_json, f"{item.id} is in the trash; bring it back: gallery restore {item.id}")


@gallery.command(epilog="Example:  playground gallery restore 3f9a")
@click.argument("item_id")
@options.gallery_option
@options.json_option
def restore(item_id: str, gallery_place: str, as_json: bool) -> None:
    """Take an item out of the trash."""
    with open_gallery(gallery_place, writing=True) as opened:
        item = opened.restore(item_id)
    _said(item, as_json, f"{item.id} is back")


def _said(item: GalleryItem, as_json: bool, sentence: str) -> None:
    if as_json:
        options.print_json(item.to_dict())
    else:
        click.echo(sentence)


@gallery.command(epilog="Example:  playground gallery verify --full")
@click.option("--full", is_flag=True, help="Read every original and compare its hash.")
@click.option("--repair", is_flag=True, help="Mend what can be mended, after a backup.")
@options.gallery_option
@options.json_option
def verify(full: bool, repair: bool, gallery_place: str, as_json: bool) -> int:
    """Whether every file, row and sum is as it should be. Exits 1 when something is not."""
    with open_gallery(gallery_place, writing=repair) as opened:
        findings = opened.verify(full=full, repair=repair)
    if as_json:
        options.print_json(
            {"findings": [{"level": f.level, "text": f.text, "mend": f.mend} for f in findings]}
        )
    else:
        for finding in findings:
            click.echo(render.printable(finding))
        if not findings:
            click.echo("all is well")
    return 1 if any(f.level == "error" for f in findings) else 0


@gallery.command(epilog="Example:  playground gallery backup /mnt/usb/gallery-backup")
@click.argument("dest", type=click.Path())
@options.gallery_option
@options.json_option
def backup(dest: str, gallery_place: str, as_json: bool) -> None:
    """A consistent copy, also while the gallery is in use."""
    with open_gallery(gallery_place) as opened:
        opened.backup(Path(dest))
        count = opened.search(limit=1).total
    if as_json:
        options.print_json({"backup": dest, "items": count})
    else:
        click.echo(f"{count:,} items are safe in {render.printable(dest)}")


@gallery.command("restore-backup", epilog="Example:  playground gallery restore-backup backup/")
@click.argument("src", type=click.Path())
@options.gallery_option
@options.json_option
def restore_backup_(src: str, gallery_place: str, as_json: bool) -> None:
    """Bring a backup back into an empty or new gallery folder, verified."""
    restore_backup(Path(src), Path(gallery_place))
    with open_gallery(gallery_place) as opened:
        count = opened.search(limit=1).total
    if as_json:
        options.print_json({"gallery": gallery_place, "items": count})
    else:
        click.echo(f"{count:,} items are back in {render.printable(gallery_place)}")


@gallery.command(epilog="Example:  playground gallery spend --by model")
@click.option("--by", type=click.Choice(_GROUP_BY), default="day", show_default=True)
@options.gallery_option
@options.json_option
def spend(by: Any, gallery_place: str, as_json: bool) -> None:
    """What was quoted, billed and is still held, and the outcomes that are unknown."""
    with open_gallery(gallery_place) as opened:
        rows = opened.spend(by)
        if by == "day":
            rows.sort(key=lambda row: str(row["day"]), reverse=True)
        totals = opened.ledger.totals()
        unknowns = opened.ledger.unknowns()
    if as_json:
        options.print_json(
            {
                "by": by,
                "rows": [_plain(row) for row in rows],
                "settled_dollars": money.plain(totals.settled),
                "held_dollars": money.plain(totals.held),
                "sample_dollars": money.plain(totals.sample),
                "cap_dollars": None if totals.cap is None else money.plain(totals.cap),
                "unknown": [
                    {
                        "attempt": each.id,
                        "model": each.model,
                        "held_dollars": money.plain(each.hold),
                        "since": each.created_at.isoformat(),
                        "why": each.reason,
                    }
                    for each in unknowns
                ],
            }
        )
        return
    if rows:
        options.print_table(
            (by, "calls", "quoted", "billed", "held", ""),
            [
                (
                    row[by] or "single calls",
                    f"{row['calls']:,}",
                    render.range_text(row["quoted_low"], row["quoted_high"]),
                    money.short(row["settled"]),
                    money.short(row["held"]) if row["held"] else "",
                    "samples" if row["sample"] else "",
                )
                for row in rows
            ],
            "lrrrrl",
        )
    cap = "no cap" if totals.cap is None else f"cap {money.short(totals.cap)}"
    click.echo(
        f"settled {money.grouped(totals.settled)} (of which samples {money.short(totals.sample)}), "
        f"held {money.short(totals.held)}, {cap}"
    )
    for each in unknowns[:_SHOWN_UNKNOWN]:
        click.echo(
            f"unknown: {each.id} {each.model} may have cost up to {money.short(each.hold)} "
            f"({render.printable(each.reason)}); settle it: playground gallery resolve {each.id} "
            "--dollars AMOUNT --why TEXT"
        )
    if len(unknowns) > _SHOWN_UNKNOWN:
        click.echo(f"and {len(unknowns) - _SHOWN_UNKNOWN:,} more unknown; --json lists all")


_SHOWN_UNKNOWN = 20


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: money.plain(v) if isinstance(v, Decimal) else v for k, v in row.items()}


@gallery.command(
    epilog='Example:  playground gallery resolve 3f9a --dollars 0 --why "not on the invoice"'
)
@click.argument("attempt_id")
@click.option("--dollars", type=options.Dollars(), required=True, help="What it did cost.")
@click.option("--why", required=True, help="The evidence, for the record.")
@options.gallery_option
def resolve(attempt_id: str, dollars: Decimal, why: str, gallery_place: str) -> None:
    """Settle a call whose outcome is unknown, by your own word."""
    with open_gallery(gallery_place, writing=True) as opened:
        opened.ledger.resolve(attempt_id, dollars=dollars, reason=why)
    click.echo(f"{attempt_id} is booked at {money.short(dollars)}")


@gallery.command(epilog="Example:  playground gallery cap 5.00")
@click.argument("dollars", type=options.Dollars(), required=False)
@click.option("--none", "remove", is_flag=True, help="Remove the cap.")
@click.option("--accept-overruns", is_flag=True, help="Spend again after a bill above its quote.")
@options.gallery_option
def cap(dollars: Decimal | None, remove: bool, accept_overruns: bool, gallery_place: str) -> None:
    """Show or set what this gallery may ever commit."""
    with open_gallery(gallery_place, writing=True) as opened:
        if accept_overruns:
            opened.ledger.acknowledge_overruns()
        if remove or dollars is not None:
            opened.ledger.set_cap(None if remove else dollars)
        totals = opened.ledger.totals()
    limit = "no cap" if totals.cap is None else f"cap {money.short(totals.cap)}"
    click.echo(f"{limit}; settled {money.short(totals.settled)}, held {money.short(totals.held)}")


gallery.add_command(publish)
gallery.add_command(unpublish)
