"""`playground models`, `prices`, `doctor`: what is known, and what is wrong here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from playground import catalog, money, pricing
from playground.catalog import Model, PriceRow
from playground.cli import options
from playground.errors import PlaygroundError
from playground.render import printable


@click.command(epilog="Example:  playground models --json")
@click.option("--kind", type=click.Choice(("image", "vision")), help="Only these.")
@options.json_option
def models(kind: str | None, as_json: bool) -> None:
    """The models that are known, what they accept, when they end."""
    day = pricing.today()
    rows = [m for m in catalog.default().models if kind in {None, m.kind}]
    if as_json:
        options.print_json(
            {"catalog": catalog.default().version, "models": [_about(m, day) for m in rows]}
        )
        return
    options.print_table(
        ("model", "kind", "provider", "since", "until", "tiers", "qualities or details"),
        [
            (
                m.name,
                m.kind,
                m.provider,
                m.released or "",
                _until(m, day),
                ",".join(m.tiers),
                ",".join(m.qualities or m.details),
            )
            for m in rows
        ],
    )


def _until(model: Model, day: dt.date) -> str:
    if model.retires is None:
        return ""
    return f"{model.retires} (gone)" if model.retired(day) else str(model.retires)


def _about(model: Model, day: dt.date) -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": model.kind,
        "provider": model.provider,
        "released": _iso(model.released),
        "retires": _iso(model.retires),
        "retired": model.retired(day),
        "replacement": model.replacement,
        "snapshots": list(model.snapshots),
        "tiers": list(model.tiers),
        "qualities": list(model.qualities),
        "details": list(model.details),
        "formats": list(model.formats),
        "sources": [_source(row) for row in model.prices[-1:]],
    }


def _iso(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None


def _source(row: PriceRow) -> dict[str, str]:
    return {"what": row.source.what, "source": row.source.source, "date": row.source.date}


@click.command(epilog="Example:  playground prices --model gpt-5.6-luna --history")
@click.option("--model", "name", help="One model (default: all).")
@click.option("--history", is_flag=True, help="Every dated price, not only today's.")
@options.tier_option
@options.on_option
@options.json_option
def prices(name: str | None, history: bool, tier: Any, on: dt.date | None, as_json: bool) -> None:
    """Dollars per million tokens, with source and date, checked against the price library."""
    book, day = catalog.default(), on or pricing.today()
    chosen = [book.model(name)] if name else list(book.models)
    rows = [row for model in chosen for row in _price_rows(model, tier, day, history)]
    stale = book.stale(day)
    if as_json:
        options.print_json({"catalog": book.version, "warning": stale, "prices": rows})
        return
    if name and not rows:
        reason = book.tariff(chosen[0].name, tier, day)
        raise PlaygroundError(reason if isinstance(reason, str) else f"no price of {name} is known")
    options.print_table(
        ("model", "tier", "since", "dollars per million tokens", "read", "library"),
        [
            (
                row["model"],
                row["tier"],
                row["since"] or "?",
                ", ".join(f"{bucket} {rate}" for bucket, rate in row["rates"].items()),
                row["source"]["date"],
                {True: "agrees", False: "DIFFERS", None: ""}[row["library_agrees"]],
            )
            for row in rows
        ],
    )
    if stale:
        click.echo(f"warning: {stale}", err=True)


def _price_rows(model: Model, tier: Any, day: dt.date, history: bool) -> list[dict[str, Any]]:
    if model.pictures:
        per_picture = {
            f"{quality} {size}": f"{money.plain(price)} a picture"
            for quality, by_size in model.pictures.items()
            for size, price in by_size.items()
        }
        source = model.prices[0]
        return [_price_row(model, tier, source, per_picture, None)] if tier == "standard" else []
    days = [row.since or day for row in model.prices] if history else [day]
    rows = []
    for each in days:
        tariff = catalog.default().tariff(model.name, tier, each)
        if isinstance(tariff, str):
            continue
        in_force = [row for row in model.prices if row.since is None or row.since <= each][-1]
        shown = {bucket: money.plain(rate) for bucket, rate in tariff.high.items()}
        agrees = _agrees(model, tier, each, shown) if each == day else None
        rows.append(_price_row(model, tier, in_force, shown, agrees))
    return rows


def _agrees(model: Model, tier: Any, day: dt.date, shown: Mapping[Any, str]) -> bool | None:
    """Whether the price library says the same for text in and out; None where it is silent."""
    for name in (model.name, *model.snapshots):
        other = catalog.second_opinion(name, tier, day)
        if other:
            own_out = shown.get("image_output", shown.get("text_output"))
            their_out = other.get("image_output", other.get("text_output"))
            same_in = money.plain(other["text_input"]) == shown["text_input"]
            return same_in and their_out is not None and money.plain(their_out) == own_out
    return None


def _price_row(
    model: Model, tier: str, row: PriceRow, rates: Mapping[Any, str], agrees: bool | None
) -> dict[str, Any]:
    return {
        "model": model.name,
        "tier": tier,
        "since": _iso(row.since),
        "rates": rates,
        "retires": _iso(model.retires),
        "source": _source(row),
        "library_agrees": agrees,
    }


@click.command(epilog="Example:  playground doctor --gallery ./gallery")
@options.gallery_option
@click.option("--full", is_flag=True, help="Read every original and compare its hash.")
@options.json_option
def doctor(gallery_place: str, full: bool, as_json: bool) -> int:
    """What is wrong with this installation and gallery, and how to mend it.

    Exits 0 when all is well, 1 with findings.
    """
    from playground import checkup

    findings = checkup.run(gallery_place, full=full)
    if as_json:
        options.print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(f"{finding.level:8} {printable(finding.text)}")
            if finding.mend:
                click.echo(f"{'':8} → {printable(finding.mend)}")
        if not findings:
            click.echo("all is well")
    return 1 if any(finding.level == "error" for finding in findings) else 0
