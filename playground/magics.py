"""`%load_ext playground`: the cell magics `%%image` and `%%caption`.

    %%image --size 1152x576 --quality low --tag desert
    a glass desert, one rider

    %%caption --model gpt-5.4-nano --task alt
    holiday/beach.jpg

Flags are those of `playground generate` and `playground caption` (`%%image --help`). The quote is
shown before anything is sent, the bill after; what comes is kept in the gallery. The cell shows
small pictures, so that a saved notebook stays small.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.display import display

from playground import money, photos, pricing, render, runner
from playground.cli import options, spend
from playground.cli.caption import caption as caption_command
from playground.cli.quotes import caption_request, image_request
from playground.errors import PlaygroundError
from playground.provider.client import Client
from playground.provider.connect import connect
from playground.runner.results import Result
from playground.store import Gallery
from playground.values import Quote

_SHOWN_PX = 384
# What belongs to long runs at a terminal and means nothing in a cell: refused there when given.
_NOT_HERE = ("as_is", "compare", "concurrency", "pilot", "via", "wait_for_all")


@magics_class
class HalfpennyMagics(Magics):
    """The two magics; made by `%load_ext playground`."""

    @cell_magic
    def image(self, line: str, cell: str) -> None:
        """Make or edit a picture: flags of `playground generate`, the prompt in the cell."""
        given = _flags(spend.generate, "%%image", line, [cell.strip()])
        if given is not None:
            _said(lambda: _image(**given))

    @cell_magic
    def caption(self, line: str, cell: str) -> None:
        """Words about photos: flags of `playground caption`, a path on each line of the cell."""
        paths = [path.strip() for path in cell.splitlines() if path.strip()]
        given = _flags(caption_command, "%%caption", line, paths)
        if given is not None:
            _said(lambda: _captions(**given))


def _flags(command: Any, name: str, line: str, rest: list[str]) -> dict[str, Any] | None:
    """The values of the command's own options, or None where it has said what is wrong."""
    try:
        context = command.make_context(name, [*shlex.split(line), "--", *rest])
    except Exception as problem:
        # --help ends with an exception that has nothing to say: the help is printed by then.
        says = getattr(problem, "format_message", None)
        if says is None and not isinstance(problem, ValueError):
            return None
        _show_text(f"{says() if says else problem}. Nothing was sent.")
        return None
    given = dict(context.params)
    for key in _NOT_HERE:
        if key in given and options.was_given(context, key):
            flag = key.partition("_")[0]
            _show_text(f"--{flag} belongs to the command line, not to a cell. Nothing was sent.")
            return None
        given.pop(key, None)
    return given


def _said(work: Any) -> None:
    """A failure as one sentence in the cell instead of a traceback."""
    try:
        work()
    except PlaygroundError as problem:
        _show_text(str(problem))


def _image(
    prompt: str,
    input_images: tuple[str, ...],
    mask: str | None,
    out: str | None,
    title: str,
    tags: tuple[str, ...],
    **fields: Any,
) -> None:
    spending = options.Spending.taken(fields)
    if mask is not None:
        fields["mask"] = Path(mask)
    request = image_request(prompt, input_images, **fields)
    with _opened(spending) as (gallery, client):
        result = runner.generate(
            request,
            gallery,
            client,
            cap=spending.cap,
            title=title,
            tags=tags,
            confirm=_consent(spending.yes),
            on_quote=_show_quote,
        )
        for item in result.items:
            data = gallery.original(item.id)
            if out is not None:
                folder = Path(out)
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{item.id}.{item.format}").write_bytes(data)
            _show_picture(data, f"{item.id} · {item.size} · {item.format}")
        _show_bill(result, sample=client.is_sample)


def _captions(
    paths: tuple[str, ...],
    schema_file: str | None,
    budget: Any,
    limit: int | None,
    dry_run: bool,
    **fields: Any,
) -> None:
    spending = options.Spending.taken(fields)
    template = caption_request(schema_file, **fields)
    requests = [template.with_(photo=photos.measure(path)) for path in paths[:limit]]
    quotes = [pricing.quote(request, rates=spending.rates) for request in requests]
    total = pricing.total_quote(quotes)
    _show_quote(total)
    if dry_run:
        _show_text("Nothing was sent (--dry-run).")
        return
    if budget is not None and (total.hold is None or total.hold > budget):
        _show_text(f"More than the budget of {money.short(budget)}. Nothing was sent.")
        return
    agree = _consent(spending.yes)
    with _opened(spending) as (gallery, client):
        for request in requests:
            result = runner.caption(request, gallery, client, cap=spending.cap, confirm=agree)
            if result.item_id is not None:
                _show_picture(gallery.original(result.item_id), request.measured.name)
            if result.ok:
                _show_text(result.text or ", ".join(result.tags))
            _show_bill(result, sample=client.is_sample)


@contextmanager
def _opened(spending: options.Spending) -> Iterator[tuple[Gallery, Client]]:
    with (
        connect(spending.provider, base_url=spending.base_url, rates=spending.rates) as client,
        Gallery(spending.gallery_place) as gallery,
    ):
        yield gallery, client


def _consent(yes: bool) -> Any:
    """What answers for a quote above $1.00: `--yes`, or the person at the notebook."""

    def ask(quote: Quote) -> bool:
        try:
            answer = input(f"This costs {render.range_text(quote.low, quote.high)}. Go on? [y/N] ")
        except Exception:  # a kernel without a person has no input
            return False
        return answer.strip().lower() in {"y", "yes"}

    return True if yes else ask


def _show_quote(quote: Quote) -> None:
    # Rules and prices have many notes in common; the cell shows each once.
    shown = replace(quote, notes=tuple(dict.fromkeys(quote.notes)))
    plain = f"quoted {quote.basis}: {render.range_text(quote.low, quote.high)}\n{shown}"
    _show(plain, f"<div>Quoted</div>{shown._repr_html_()}")


def _show_picture(data: bytes, words: str) -> None:
    """A small copy: the original is in the gallery, not in the saved notebook."""
    small, _ = photos.thumbnail(data, edge_px=_SHOWN_PX)
    format_, size = photos.sniff(small)
    bundle: Mapping[str, Any] = {f"image/{format_}": small, "text/plain": words}
    if format_ == "webp":  # no notebook shows it by itself
        import base64

        text = base64.b64encode(small).decode()
        bundle = {
            "text/html": f'<img alt="{render.esc(words)}" width="{size.width_px}" '
            f'src="data:image/webp;base64,{text}">',
            "text/plain": words,
        }
    display(dict(bundle), raw=True)  # type: ignore[no-untyped-call] # IPython is untyped


def _show_bill(result: Result, *, sample: bool) -> None:
    outcome = result.outcome
    if not result.ok:
        _show_text(getattr(outcome, "message", "It failed."))
        return
    billed = result.billed
    gap = result.difference
    verdict = "as quoted" if gap == 0 else f"{money.short(gap)} beside the quote" if gap else ""
    parts = [
        f"billed {'unknown' if billed is None else money.short(billed)}",
        verdict,
        f"{result.seconds:.2f} s",
        result.outcome.receipt.request_id or "",
        "sample: nothing was charged" if sample else "",
    ]
    _show_text(" · ".join(filter(None, [*parts, *result.notes])))


def _show_text(text: str) -> None:
    _show(
        render.printable(text, keep_newlines=True),
        f'<div style="white-space:pre-wrap">{render.esc(text)}</div>',
    )


def _show(plain: str, markup: str) -> None:
    bundle = {"text/plain": plain, "text/html": markup}
    display(bundle, raw=True)  # type: ignore[no-untyped-call] # IPython is untyped


def load(shell: InteractiveShell) -> None:
    """Register the magics; what `%load_ext playground` calls."""
    shell.register_magics(HalfpennyMagics)
