"""`playground quote`, `sizes`, `better`, `bill`: prices before anything is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from playground import money, pricing, render
from playground.cli import options
from playground.errors import InvalidRequest, PhotoProblem
from playground.size import Size
from playground.values import CaptionRequest, EditRequest, ImageRequest, Photo, Quote


@click.group()
def quote() -> None:
    """What a call costs, exactly where the rules allow it, before it is sent."""


@quote.command(
    epilog='Example:  playground quote image "a red fox, ink" --size 1440x480 --quality low --json'
)
@click.argument("prompt", default="")
@options.image_options
@click.option(
    "--prompt-tokens", type=int, metavar="N", help="Text tokens as billed, instead of a prompt."
)
@options.on_option
@options.price_option
@options.json_option
def image(
    prompt: str,
    input_images: tuple[str, ...],
    prompt_tokens: int | None,
    on: dt.date | None,
    price_text: str | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """The price of a picture, or of an edit of one."""
    request = image_request(prompt, input_images, prompt_tokens=prompt_tokens, **fields)
    if isinstance(request, EditRequest):
        from playground import photos

        request = photos.resolve(request, with_hash=False)
    made = pricing.quote(request, on=on, rates=options.rates_of(price_text))
    if as_json:
        options.print_json(made.to_dict())
        return
    what = f"{made.model} · {request.size} · {request.quality}"
    _show(made, f"{what} · {request.n} pictures" if request.n > 1 else what)


def image_request(prompt: str, input_images: tuple[str, ...], **fields: Any) -> ImageRequest:
    """The request that the flags describe: an edit when there is a picture to edit."""
    if input_images:
        return EditRequest(prompt, images=tuple(map(Path, input_images)), **fields)
    return ImageRequest(prompt, **fields)


def _show(made: Quote, what: str) -> None:
    click.echo(f"{render.printable(what)} · {made.tier} · prices of {made.on.isoformat()}")
    click.echo(str(made))
    click.echo(f"{made.basis}: {render.range_text(made.low, made.high)}")


@quote.command(
    epilog="Example:  playground quote caption photos/ --model gpt-5.4-nano --resize 768"
)
@click.argument("paths", nargs=-1, type=click.Path())
@click.option(
    "--dimensions",
    multiple=True,
    type=options.SizeText(auto=False),
    help="A photo of this size instead of a file; repeatable.",
)
@options.caption_options
@click.option("--each", "each_photo", is_flag=True, help="List every photo's quote too.")
@options.on_option
@options.price_option
@options.json_option
def caption(
    paths: tuple[str, ...],
    dimensions: tuple[str, ...],
    schema_file: str | None,
    each_photo: bool,
    on: dt.date | None,
    price_text: str | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """The price of words about photos: files or folders (headers only), or dimensions."""
    if not paths and not dimensions:
        msg = "name photos or folders, or give --dimensions WxH"
        raise click.UsageError(msg)
    request = caption_request(schema_file, **fields)
    refused: list[dict[str, str]] = []
    counted: dict[Quote, int] = {}
    each: list[dict[str, Any]] = []
    measured = _measured(paths, dimensions, refused)
    rates = options.rates_of(price_text)
    for photo, made in pricing.quote_photos(request, measured, on=on, rates=rates):
        if isinstance(made, str):
            refused.append({"path": str(photo.path or photo.size), "why": made})
            continue
        counted[made] = counted.get(made, 0) + 1
        if each_photo:
            each.append({"path": str(photo.path or photo.size), **made.to_dict()})
    if not counted:
        raise PhotoProblem(_nothing_to_quote(paths, refused))
    total = pricing.total_quote(counted)
    count = sum(counted.values())
    if as_json:
        document = {**total.to_dict(), "photos": count, "refused": refused}
        options.print_json({**document, "each": each} if each_photo else document)
        return
    for row in each:
        cost = _dollars(row["dollars"])
        click.echo(f"{render.printable(row['path'])}  {row['tokens']['image_input']}  {cost}")
    _show(total, f"{total.model} · {count:,} photo{'s' * (count != 1)}")
    if count > 1 and total.low is not None and total.high is not None:
        per_thousand = render.range_text(total.low * 1000 / count, total.high * 1000 / count)
        click.echo(f"1,000 of these: {per_thousand}")
    for problem in refused:
        click.echo(f"refused: {render.printable(problem['why'])}", err=True)


def _dollars(bounds: dict[str, str | None]) -> str:
    low, high = (None if text is None else Decimal(text) for text in bounds.values())
    return render.range_text(low, high)


def caption_request(schema_file: str | None, **fields: Any) -> CaptionRequest:
    """The request that the flags describe, about a photo that is still to be named."""
    schema = None
    if schema_file:
        try:
            schema = Path(schema_file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            msg = f"{schema_file} is no readable text; nothing was sent and nothing was spent"
            raise InvalidRequest(msg) from None
    return CaptionRequest(Photo(1, 1), schema=schema, **fields)


def _measured(
    paths: tuple[str, ...], dimensions: tuple[str, ...], refused: list[dict[str, str]]
) -> Iterator[Photo]:
    from playground import photos

    for text in dimensions:
        size = Size.parse(text)
        yield Photo(size.width_px, size.height_px)

    def files() -> Iterator[Path]:
        for text in paths:
            path = Path(text)
            if path.is_dir():
                yield from photos.scan(path, on_problem=missed)
            else:
                yield path

    def missed(path: Path, why: str) -> None:
        refused.append({"path": str(path), "why": f"{path}: {why}"})

    for found in photos.measure_many(files()):
        if isinstance(found, Photo):
            yield found
        else:
            refused.append({"path": str(found[0]), "why": found[1]})


def _nothing_to_quote(paths: tuple[str, ...], refused: list[dict[str, str]]) -> str:
    if not refused:
        return f"no photos in {', '.join(paths)}; nothing was sent and nothing was spent"
    more = f" (and {len(refused) - 1:,} more)" if len(refused) > 1 else ""
    return f"{refused[0]['why']}{more}; nothing was sent and nothing was spent"


# -------------------------------------------------------------------------------------------------


@click.command(
    epilog="Example:  playground sizes --max-dollars 0.005 --prompt-tokens 20 --quality low"
)
@click.option("--model", default="gpt-image-2", show_default=True)
@click.option("--quality", help="One quality (default: all).")
@click.option("--max-dollars", type=options.Dollars(), help="For the whole call.")
@click.option("--prompt-tokens", type=click.IntRange(0), default=0, help="As billed.")
@click.option("--ratio", metavar="W:H", help="Width to height, as in 4:3.")
@click.option("--ratio-tolerance", type=options.Dollars(), default="0.02", show_default=True)
@click.option("--min-pixels", type=click.IntRange(0), default=0)
@click.option("--max-pixels", type=click.IntRange(1))
@click.option(
    "--sort",
    type=click.Choice(("pixels", "dollars", "tokens")),
    default="pixels",
    show_default=True,
    help="Most pixels, or fewest dollars or tokens, first.",
)
@click.option("--top", type=click.IntRange(1), help="How many (default: all; 20 on a terminal).")
@options.tier_option
@options.on_option
@options.json_option
def sizes(as_json: bool, top: int | None, **query: Any) -> None:
    """The best sizes and qualities for an amount of money: every legal size is tried."""
    from playground import solver

    _print_sizes(solver.sizes(**query, top=top), as_json, top)


@click.command(epilog="Example:  playground better --size 1024x1024 --quality high")
@click.option("--model", default="gpt-image-2", show_default=True)
@click.option("--size", type=options.SizeText(auto=False), required=True)
@click.option("--quality", default="low", show_default=True)
@click.option("--prompt-tokens", type=click.IntRange(0), default=0, help="As billed.")
@click.option("--top", type=click.IntRange(1), help="How many (default: all; 20 on a terminal).")
@options.tier_option
@options.on_option
@options.json_option
def better(as_json: bool, top: int | None, **query: Any) -> None:
    """Sizes that are larger and no dearer: the price does not grow with the size."""
    from playground import solver

    _print_sizes(solver.better(**query, top=top), as_json, top)


def _print_sizes(offers: list[Any], as_json: bool, top: int | None) -> None:
    if as_json:
        options.print_json({"sizes": [offer.to_dict() for offer in offers]})
        return
    if not offers:
        click.echo("no legal size fits; allow more dollars, another ratio or fewer pixels")
        return
    shown = offers[: top or 20]
    options.print_table(
        ("size", "pixels", "quality", "tokens", "dollars"),
        [
            (
                o.size,
                f"{o.size.pixels:,}",
                o.quality,
                f"{o.output_tokens:,}",
                money.short(o.dollars),
            )
            for o in shown
        ],
        numbers="lrlrr",
    )
    if len(offers) > len(shown):
        click.echo(f"… and {len(offers) - len(shown):,} more (--top)")


@click.command(epilog="Example:  playground bill --output-tokens 186")
@click.option("--model", default="gpt-image-2", show_default=True)
@click.option("--output-tokens", type=click.IntRange(1), help="Image output tokens.")
@click.option("--input-text-tokens", type=click.IntRange(0), help="Text tokens as billed.")
@click.option("--dollars", type=options.Dollars(), help="The whole amount.")
@options.tier_option
@options.on_option
@options.json_option
def bill(as_json: bool, **known: Any) -> None:
    """Which request was that: the sizes and qualities that explain a usage or an amount."""
    from playground import solver

    if known["output_tokens"] is None and known["dollars"] is None:
        msg = "give --output-tokens or --dollars"
        raise click.UsageError(msg)
    found = solver.bill(**known)
    if as_json:
        options.print_json({"candidates": [candidate.to_dict() for candidate in found]})
        return
    if not found:
        msg = f"no picture of {known['model']} explains that bill"
        raise InvalidRequest(msg)
    for how, title in (("auto", "delivered for size=auto"), ("requested", "requested as")):
        group = [c for c in found if c.how == how]
        names = ", ".join(f"{c.size} {c.quality}" for c in group[:8])
        more = f" and {len(group) - 8:,} more (--json lists them)" if len(group) > 8 else ""
        if group:
            click.echo(f"{title}: {names}{more}")
