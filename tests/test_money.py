"""Dollars are exact, in memory, at rest and on the screen."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import money

picodollars = st.integers(min_value=-(2**62), max_value=2**62)


@given(picodollars)
def test_picodollars_survive_the_way_to_dollars_and_back(amount):
    assert money.to_picousd(money.from_picousd(amount)) == amount


@given(picodollars)
def test_json_text_is_exact_and_has_no_exponent(amount):
    text = money.plain(money.from_picousd(amount))
    assert "e" not in text.lower()
    assert money.to_picousd(Decimal(text)) == amount


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.decimals(0, 1000, places=4),
)
def test_cost_is_additive_over_tokens(one, other, rate):
    together = money.token_cost(one + other, rate)
    assert together == money.token_cost(one, rate) + money.token_cost(other, rate)


@given(st.integers(1, 10**7), st.decimals("0.0001", 1000, places=4))
def test_a_price_that_is_not_zero_never_reads_as_zero(count, rate):
    shown = money.short(money.token_cost(count, rate))
    assert any(digit in shown for digit in "123456789")


@pytest.mark.parametrize("value", [0.1, 1.0, True, None, b"1"])
def test_floats_and_other_kinds_are_refused(value):
    with pytest.raises(TypeError):
        money.usd(value)


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1,5", "--1"])
def test_text_that_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="not an amount"):
        money.usd(text)


def test_what_is_finer_than_a_picodollar_is_refused_and_a_bound_is_rounded_up():
    fine = Decimal("0.0000000000001")
    with pytest.raises(ValueError, match="picodollar"):
        money.to_picousd(fine)
    assert money.ceil_picousd(fine) == 1


def test_ten_tenths_are_one_dollar():
    assert sum([money.to_picousd("0.1")] * 10) == money.to_picousd(1)


@pytest.mark.parametrize(
    ("amount", "grouped", "short", "plain"),
    [
        ("0.00397", "$0.003_970_000", "$0.00397", "0.00397"),
        ("0.002395", "$0.002_395_000", "$0.002395", "0.002395"),
        ("0", "$0.000_000_000", "$0.00", "0"),
        ("12.5", "$12.500_000_000", "$12.50", "12.5"),
        ("1234.567", "$1234.567_000_000", "$1,234.57", "1234.567"),
        ("0.0000000025", "$0.000_000_002_500", "$0.000000003", "0.0000000025"),
        ("-0.5", "$-0.500_000_000", "-$0.50", "-0.5"),
    ],
)
def test_how_amounts_read(amount, grouped, short, plain):
    value = Decimal(amount)
    assert money.grouped(value) == grouped
    assert money.short(value) == short
    assert money.plain(value) == plain
