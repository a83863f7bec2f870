"""Dollars: `Decimal` in memory, integer picodollars at rest, text on the screen.

One picodollar is 10**-12 dollars. A price of $0.0025 per million tokens (a batch price can be
that fine) is 2,500 picodollars per token, so every token cost is an exact integer, and the sums
that SQLite makes are exact (ten stored tenths add up to 0.9999999999999999 as floats).
Floats are refused everywhere.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal, InvalidOperation

PICOUSD_PER_USD = 10**12
TOKENS_PER_MILLION = 1_000_000

# 50 digits: int64 picodollars (19 digits) times a token count never round here.
_EXACT = Context(prec=50)
_TWELVE_PLACES = Decimal(1).scaleb(-12)


def usd(value: Decimal | int | str) -> Decimal:
    """Dollars as a `Decimal`.

    Raises:
        TypeError: for a float, which cannot hold most amounts exactly.
        ValueError: for text that is not a finite decimal number.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        msg = f"money is a Decimal, an int or a decimal text, not {type(value).__name__}"
        raise TypeError(msg)
    try:
        amount = Decimal(value.strip().removeprefix("$") if isinstance(value, str) else value)
    except InvalidOperation:
        msg = f"{value!r} is not an amount of dollars"
        raise ValueError(msg) from None
    if not amount.is_finite():
        msg = f"{value!r} is not an amount of dollars"
        raise ValueError(msg)
    return amount


def to_picousd(amount: Decimal | int | str) -> int:
    """Whole picodollars of an exact amount.

    Raises:
        ValueError: when the amount has more than twelve decimals; use `ceil_picousd` for bounds.
    """
    scaled = _EXACT.multiply(usd(amount), PICOUSD_PER_USD)
    whole = int(scaled)
    if whole != scaled:
        msg = f"{amount} dollars is finer than a picodollar"
        raise ValueError(msg)
    return whole


def ceil_picousd(amount: Decimal) -> int:
    """Picodollars, rounded up: for upper bounds only."""
    return int(_EXACT.multiply(usd(amount), PICOUSD_PER_USD).to_integral_value(ROUND_CEILING))


def from_picousd(picousd: int) -> Decimal:
    """Dollars of whole picodollars, exact."""
    return _EXACT.multiply(Decimal(picousd), _TWELVE_PLACES)


def token_cost(tokens: int, usd_per_million: Decimal) -> Decimal:
    """Dollars for `tokens` at `usd_per_million` dollars per million tokens, exact."""
    return _EXACT.divide(_EXACT.multiply(tokens, usd_per_million), TOKENS_PER_MILLION)


def plain(amount: Decimal) -> str:
    """The decimal text used in JSON: no exponent, no trailing zeros (`"0.00397"`)."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"", "-0"} else text


def grouped(amount: Decimal) -> str:
    """The breakdown's form, nine decimals grouped by three (`"$0.003_970_000"`).

    An amount finer than a nanodollar shows twelve decimals, so that nothing is rounded away.
    """
    places = 9 if amount == round(amount, 9) else 12
    whole, decimals = format(amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP), "f").split(
        "."
    )
    groups = "_".join(decimals[i : i + 3] for i in range(0, places, 3))
    return f"${whole}.{groups}"


def short(amount: Decimal) -> str:
    """The form on buttons and cards: at least two, at most six decimals (`"$0.00397"`).

    Amounts from $1 up are rounded half up to cents; a positive amount below a microdollar
    keeps its first significant digit, because a price that is not zero never reads as zero.
    """
    sign = "-" if amount < 0 else ""
    size = abs(amount)
    if size >= 1:
        return f"{sign}${size.quantize(Decimal('0.01'), ROUND_HALF_UP):,f}"
    rounded = size.quantize(Decimal("0.000001"), ROUND_HALF_UP)
    if rounded == 0 and size > 0:
        rounded = size.quantize(Decimal(1).scaleb(size.adjusted()), ROUND_HALF_UP)
    text = plain(rounded)
    whole, _, decimals = text.partition(".")
    return f"{sign}${whole}.{decimals:0<2}"
