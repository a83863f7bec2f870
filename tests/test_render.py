"""Everything shown is escaped: for pages, for terminals."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from playground import render


@given(st.text())
def test_escaped_text_has_no_markup(text):
    shown = render.esc(text)
    assert not set(shown) & set("<>\"'")


@given(st.text())
def test_terminal_text_has_no_controls(text):
    shown = render.printable(text)
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert "\u202e" not in shown


def test_an_escape_sequence_is_shown_and_not_run():
    assert render.printable("a\x1b[2Jb") == "a\\x1b[2Jb"


def test_unknown_is_never_zero():
    assert render.range_text(None, None) == "unknown"
    assert render.range_text(Decimal("0.1"), None) == "at least $0.10"
    assert render.range_text(Decimal("0.1"), Decimal("0.2")) == "$0.10 to $0.20"
    assert render.range_text(Decimal("1.48906"), Decimal("1.48913")) == "about $1.49"


def test_a_price_dims_its_leading_zeros():
    shown = render.amount_html(Decimal("0.00397"))
    assert '<span class="hp-dim">$0.00</span><strong>397</strong>' in shown
