"""Text and numbers to escaped markup or terminal text: the only place that makes markup.

Voilà runs scripts found in HTML *and* Markdown outputs, so every prompt, caption, tag, file name
and API message passes `esc` on its way to a page, and `printable` on its way to a terminal.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal

from playground import money

# Bidirectional controls can make text read other than it is (CVE-2021-42574).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

BUCKET_LABELS = {
    "text_input": "Input text",
    "cached_text_input": "Input text, cached",
    "image_input": "Input image",
    "cached_image_input": "Input image, cached",
    "cache_write_input": "Input written to cache",
    "text_output": "Output text",
    "image_output": "Output tokens",
}


def esc(text: object) -> str:
    """Escape for HTML text and for attributes in double or single quotes."""
    return html.escape(str(text), quote=True)


def printable(text: object, *, keep_newlines: bool = False) -> str:
    r"""Text that is safe on a terminal: control and bidi characters become visible escapes.

    An escape character (ESC) becomes `\x1b`, so a caption cannot repaint the screen.
    """
    return "".join(_shown(character, keep_newlines) for character in str(text))


def _shown(character: str, keep_newlines: bool) -> str:
    if character == "\n" and keep_newlines:
        return character
    if character in _BIDI or unicodedata.category(character) in {"Cc", "Cs"}:
        return character.encode("unicode_escape").decode("ascii")
    return character


def one_line(text: object, width: int = 80) -> str:
    """The text on one line of at most `width` characters, printable, cut with an ellipsis."""
    flat = printable(" ".join(str(text).split()))
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def amount_html(amount: Decimal) -> str:
    """A dollar amount with its leading zeros dimmed and its significant digits strong."""
    text = money.short(amount)
    digits = next((i for i, c in enumerate(text) if c in "123456789"), len(text))
    return (
        f'<span class="hp-money"><span class="hp-dim">{esc(text[:digits])}</span>'
        f"<strong>{esc(text[digits:])}</strong></span>"
    )


def range_text(low: Decimal | None, high: Decimal | None) -> str:
    """`$0.00397`, `$0.004 to $0.041`, `about $1.49`, `at least $0.004`, or `unknown`."""
    if low is None and high is None:
        return "unknown"
    if low is not None and low == high:
        return money.short(low)
    if high is None:
        return f"at least {money.short(low or Decimal(0))}"
    texts = (money.short(low or Decimal(0)), money.short(high))
    # Rounded to cents, the ends of a large price may be one.
    return f"about {texts[1]}" if texts[0] == texts[1] else " to ".join(texts)


def breakdown_line(bucket: str, tokens: int, per_million: Decimal, dollars: Decimal) -> str:
    """`Input text 20 tokens × $5/1M = $0.000_100_000`, the form of the half-penny thread."""
    label = BUCKET_LABELS.get(bucket, bucket)
    rate = money.plain(per_million)
    return f"{label} {tokens:,} tokens × ${rate}/1M = {money.grouped(dollars)}"


BreakdownRow = tuple[str, int, Decimal, Decimal]


def breakdown_text(
    rows: Sequence[BreakdownRow], low: Decimal | None, high: Decimal | None, notes: Iterable[str]
) -> str:
    """The breakdown as plain text: a line per bucket, the total, the notes.

    Args:
        rows: bucket, tokens, dollars per million tokens, dollars.
        low, high: the bounds of the total in dollars; None where unknown.
        notes: sentences that say why the total is not exact.
    """
    lines = [breakdown_line(*row) for row in rows]
    if low is not None and low == high:
        lines.append(f"Total {money.grouped(low)}")
    elif low is not None and high is not None:
        lines.append(f"Total {money.grouped(low)} to {money.grouped(high)}")
    else:
        lines.append("Total unknown")
    return "\n".join([*lines, *(f"  {printable(note)}" for note in notes)])


def breakdown_html(
    rows: Sequence[BreakdownRow],
    low: Decimal | None,
    high: Decimal | None,
    basis: str,
    notes: Iterable[str],
) -> str:
    """The breakdown as a small HTML table; arguments as in `breakdown_text`."""
    total = f"<strong>{esc(range_text(low, high))}</strong>"
    body = "".join(
        f'<tr><td>{esc(BUCKET_LABELS.get(bucket, bucket))}</td><td class="hp-num">{tokens:,}</td>'
        f'<td class="hp-num">× ${esc(money.plain(rate))}/1M</td>'
        f'<td class="hp-num">{esc(money.grouped(dollars))}</td></tr>'
        for bucket, tokens, rate, dollars in rows
    )
    reasons = "".join(f"<li>{esc(note)}</li>" for note in notes)
    return (
        '<div class="hp-quote" style="font-variant-numeric:tabular-nums">'
        f"<div>{total} <em>{esc(basis)}</em></div><table>{body}</table>"
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + "</div>"
    )
