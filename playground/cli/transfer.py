"""`playground gallery import`, `export` and `alt`: files into a gallery and out of it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from playground import render
from playground.cli import options
from playground.cli.opening import Counter, open_gallery
from playground.errors import InvalidRequest, PhotoProblem
from playground.exports import fields
from playground.exports.selection import Selection
from playground.store import SORTS, Gallery, Where

_TABLES = ("csv", "tsv", "json", "jsonl", "parquet")
_FORMATS = (*_TABLES, "html", "markdown", "zip", "copies", "xmp")
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".zip": "zip",
}
_WRITTEN = ("csv", "tsv", "json", "jsonl", "markdown")
_SHOWN_REFUSED = 20


@click.command("import", epilog="Example:  playground gallery import ~/Pictures/desert")
@click.argument("folder", type=click.Path(), metavar="FOLDER|FILE")
@click.option("--follow", is_flag=True, help="Also read the photos that a log of llm names.")
@options.gallery_option
@options.json_option
def import_(folder: str, follow: bool, gallery_place: str, as_json: bool) -> None:
    """Take in pictures and what is known about them, without cost.

    FOLDER is searched with all that is below it. A FILE is a picture, a zip, one of our own
    exports (CSV, TSV, JSON: annotations come back), or the log of Simon Willison's llm. Prompts
    and settings of AUTOMATIC1111, Forge, ComfyUI, InvokeAI, NovelAI, Fooocus and others are read,
    captions, keywords and stars too. Copies are byte-identical; nothing is taken twice.
    """
    from playground.imports.taking import Import, Outcome

    line = Counter()

    def progress(so_far: Outcome) -> None:
        line.show(f"{so_far.new:,} imported of {so_far.done:,} looked at")

    with open_gallery(gallery_place, writing=True) as opened:
        importing = Import(opened, keep_items=as_json, on_progress=progress)
        try:
            done = importing.path(folder, follow=follow)
        finally:
            line.end()
    if not (done.new or done.known or done.updated):
        first = done.refused[0] if done.refused else ("", f"no photos in {folder}")
        raise PhotoProblem(f"{first[1]}; nothing was imported")
    if as_json:
        options.print_json(done.to_dict())
        return
    changed = f"{done.updated:,} updated, " if done.updated else ""
    click.echo(
        f"{done.new:,} imported, {changed}{done.known:,} already there, "
        f"{len(done.refused):,} refused"
    )
    for source, count in done.sources.most_common():
        click.echo(f"{count:,} with words of {render.printable(source)}")
    for _, why in done.refused[:_SHOWN_REFUSED]:
        click.echo(f"refused: {render.printable(why)}", err=True)
    if len(done.refused) > _SHOWN_REFUSED:
        click.echo(f"and {len(done.refused) - _SHOWN_REFUSED:,} more; --json lists all", err=True)


@click.command(
    epilog="Example:  playground gallery export holiday.csv --search beach --where rating=4"
)
@click.argument("dest", type=click.Path())
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--format", "format_", type=click.Choice(_FORMATS), help="Default: by DEST's ending.")
@click.option("--search", "text", default="", help="Items with these words.")
@click.option(
    "--where",
    multiple=True,
    metavar="FACET=VALUE",
    help="model, kind, rating (at least), tag, collection, since or max-dollars; repeatable.",
)
@click.option("--all", "everything", is_flag=True, help="All items (as without any choice).")
@click.option("--sort", type=click.Choice(SORTS), default="newest", show_default=True)
@click.option(
    "--with",
    "with_",
    metavar="GROUP,…",
    help=f"What goes along beside captions and tags: {', '.join(fields.GROUPS)}, all or none. "
    "Default: all for tables and zip; captions and tags for pages; stars too for pictures.",
)
@click.option("--without", metavar="GROUP,…", help="What stays here.")
@click.option(
    "--originals",
    is_flag=True,
    help="Untouched files with all that is in them (GPS too) instead of copies.",
)
@click.option("--beside", is_flag=True, help="With xmp: DEST is your folder of photos.")
@click.option("--link", default="", help="With markdown: what stands before the pictures' names.")
@click.option("--title", default="Pictures", show_default=True, help="With html: of the page.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@options.gallery_option
@options.json_option
def export(dest: str, ids: tuple[str, ...], gallery_place: str, as_json: bool, **how: Any) -> None:
    """Write items to DEST: a table, a page, a zip, pictures with their words in them.

    csv, tsv, json, jsonl, parquet: a row per item. html: one page that needs nothing else.
    markdown: for posts. zip: pictures and all their data. copies: a folder of pictures with XMP
    (and IPTC) in them. xmp: with sidecars. DEST - writes to stdout. Copies have none of the
    originals' own metadata; the gallery itself is only read.
    """
    format_ = how["format_"] or _ENDINGS.get(Path(dest).suffix.lower(), "")
    if not format_:
        msg = f"say the format of {dest} with --format: {', '.join(_FORMATS)}"
        raise click.UsageError(msg)
    if ids and (how["text"] or how["where"] or how["everything"]):
        msg = "choose by id, or by --search, --where and --all, not both"
        raise click.UsageError(msg)
    if how["beside"] and (format_ != "xmp" or ids or how["text"] or how["where"]):
        msg = "--beside goes with --format xmp, for all photos in DEST that the gallery knows"
        raise click.UsageError(msg)
    if how["originals"] and format_ not in {"zip", "copies", "xmp"}:
        msg = f"{format_} holds no originals; --originals goes with zip, copies and xmp"
        raise click.UsageError(msg)
    groups = _groups(format_, how["with_"], how["without"])
    line = Counter()
    chosen = Selection(
        ids,
        how["text"],
        Where.parse(how["where"]),
        how["sort"],
        lambda count: line.show(f"{count:,} items"),
    )
    with open_gallery(gallery_place) as opened:
        if dest == "-":
            if as_json or format_ not in _WRITTEN:
                msg = f"stdout takes {', '.join(_WRITTEN)}, and not together with --json"
                raise click.UsageError(msg)
            _to_stdout(opened, format_, chosen, groups, how["link"])
            return
        try:
            done = _export(opened, format_, dest, chosen, groups, how)
        finally:
            line.end()
    if as_json:
        options.print_json(done.to_dict())
        return
    click.echo(f"{done.items:,} items in {render.printable(done.path)}")
    for note in done.notes:
        click.echo(f"note: {render.printable(note)}", err=True)


def _groups(format_: str, with_: str | None, without: str | None) -> frozenset[str]:
    """What goes along: the format's default, or captions, tags and what was named."""
    pictures = {"rating"} if format_ in {"copies", "xmp"} else set()
    safe = fields.SHOWN | pictures
    default = fields.EVERYTHING if format_ in {*_TABLES, "zip"} else safe
    named = fields.parse(with_, frozenset())
    words = {word.strip().lower() for word in (with_ or "").split(",")}
    groups = default if with_ is None else (named if "none" in words else safe | named)
    return frozenset(groups - fields.parse(without, frozenset()))


def _export(
    opened: Gallery,
    format_: str,
    dest: str,
    chosen: Selection,
    groups: frozenset[str],
    how: dict[str, Any],
) -> Any:
    from playground.exports import archive, copies, markdown, page, parquet, tables

    if how["beside"]:
        return copies.beside(opened, dest, groups=groups, force=how["force"])
    more: dict[str, Any] = {"chosen": chosen, "groups": groups, "force": how["force"]}
    if format_ in {"zip", "copies", "xmp"}:
        more["originals"] = how["originals"]
    elif format_ == "markdown":
        more["link"] = how["link"]
    elif format_ == "html":
        more["title"] = how["title"]
    writers: dict[str, Any] = {
        "csv": tables.to_csv,
        "tsv": tables.to_tsv,
        "json": tables.to_json,
        "jsonl": tables.to_jsonl,
        "parquet": parquet.to_parquet,
        "html": page.to_html,
        "markdown": markdown.to_markdown,
        "zip": archive.to_zip,
        "copies": copies.to_copies,
        "xmp": copies.to_xmp,
    }
    return writers[format_](opened, dest, **more)


def _to_stdout(
    opened: Gallery, format_: str, chosen: Selection, groups: frozenset[str], link: str
) -> None:
    from playground.exports import markdown, tables

    terminal = sys.stdout.isatty()
    out: BinaryIO = io.BytesIO() if terminal else sys.stdout.buffer
    items = chosen.items(opened)
    if format_ == "markdown":
        markdown.write_markdown(items, out, groups, link)
    elif format_ == "json":
        tables.write_json(items, out, groups)
    elif format_ == "jsonl":
        tables.write_jsonl(items, out, groups)
    else:
        tables.write_csv(items, out, groups, tabs=format_ == "tsv")
    if isinstance(out, io.BytesIO):
        # A caption must not repaint the screen; files and pipes get every character as it is.
        click.echo(render.printable(out.getvalue().decode("utf-8"), keep_newlines=True), nl=False)
    else:
        out.flush()


@click.command(epilog="Example:  playground gallery alt site/ --out site-with-alt/")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE|FOLDER…")
@click.option("--out", required=True, type=click.Path(), help="Folder for the copies.")
@click.option("--replace", "replace_texts", is_flag=True, help="Also replace texts that are there.")
@click.option(
    "--by-name", is_flag=True, help="Also know pictures by their file name, not only their bytes."
)
@click.option(
    "--reviewed", is_flag=True, help="Only texts that you wrote or accepted, no model's drafts."
)
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
@options.gallery_option
@options.json_option
def alt(files: tuple[str, ...], out: str, gallery_place: str, as_json: bool, **how: Any) -> None:
    """Fill the gallery's alt texts into copies of HTML and Markdown files.

    A picture is known by the bytes of the file that a page refers to. A text that is there stays;
    so does every other byte.
    """
    from playground.exports import alts

    with open_gallery(gallery_place) as opened:
        done = alts.fill_files(opened, files, out, **how)
    if not done:
        msg = f"no HTML or Markdown files in {', '.join(files)}"
        raise InvalidRequest(msg)
    if as_json:
        options.print_json({"files": [one.to_dict() for one in done]})
        return
    for one in done:
        click.echo(
            f"{render.printable(one.out)}: {one.filled:,} filled, {one.kept:,} kept, "
            f"{one.unknown:,} not known here"
        )
