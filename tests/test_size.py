"""Which sizes are legal, why one is not, and what is nearest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.size import Size, SizeRules, all_sizes

FREE = SizeRules()
edges = st.integers(1, 5000)


def obeys_every_rule(size):
    return (
        size.width_px % 16 == 0
        and size.height_px % 16 == 0
        and max(size.width_px, size.height_px) <= 3840
        and max(size.width_px, size.height_px) <= 3 * min(size.width_px, size.height_px)
        and 655_360 <= size.width_px * size.height_px <= 8_294_400
    )


@given(edges, edges)
def test_a_size_is_legal_exactly_when_it_obeys_every_rule(width, height):
    size = Size(width, height)
    assert FREE.allows(size) == obeys_every_rule(size)
    assert FREE.allows(size) == FREE.allows(size.turned)
    assert Size.parse(str(size)) == size


def test_there_are_29146_legal_sizes_and_each_obeys_every_rule():
    sizes = all_sizes(FREE)
    assert len(sizes) == len(set(sizes)) == 29_146
    assert all(obeys_every_rule(size) for size in sizes)


@settings(max_examples=20, deadline=None)
@given(edges, edges)
def test_the_nearest_sizes_are_legal_and_nothing_legal_is_nearer(width, height):
    asked = Size(width, height)
    nearest = FREE.nearest(asked, 3)

    def distance(size):
        return (size.width_px - width) ** 2 + (size.height_px - height) ** 2

    assert len(set(nearest)) == 3
    assert all(FREE.allows(size) for size in nearest)
    assert distance(nearest[0]) == min(map(distance, all_sizes(FREE)))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("780x640", "too small"),
        ("1000x1000", "multiples of 16"),
        ("3840x1024", "ratio"),
        ("3856x2000", "3840"),
        ("3840x3840", "too large"),
        ("512x512", "too small"),
    ],
)
def test_the_broken_rule_is_named(text, rule):
    assert rule in FREE.why_not(Size.parse(text))


@pytest.mark.parametrize("text", ["", "976", "976x", "0x1024", "-16x16", "1e3x5", "axb", "9" * 99])
def test_text_that_is_no_size_is_refused(text):
    with pytest.raises(InvalidRequest):
        Size.parse(text)


def test_sizes_are_read_generously():
    assert Size.parse(" 976 × 704 ") == Size.parse("976X704") == Size(976, 704)
