"""Text is counted offline and exactly; no text breaks the counter."""

import base64
import gzip
import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground import catalog, tokens
from playground.size import Size


def test_the_packaged_vocabulary_is_the_published_one():
    """The hash is the one that tiktoken itself checks after a download."""
    packed = gzip.decompress((Path(tokens.__file__).parent / "data" / "o200k_base.gz").read_bytes())
    published = b"".join(
        base64.b64encode(token) + b" %d\n" % rank
        for rank, token in enumerate(tokens._vocabulary(packed))
    )
    assert hashlib.sha256(published).hexdigest() == (
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    )


def test_special_token_text_is_ordinary_text():
    assert tokens.count_text("<|endoftext|>") > 1


@settings(deadline=None)
@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_counted_and_splits_into_as_many_pieces(text):
    assert len(tokens.split_text(text)) == tokens.count_text(text)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_text_never_has_more_tokens_than_bytes(text):
    assert tokens.count_text(text) <= len(text.encode("utf-8", "surrogatepass")) + 3


def test_pieces_join_to_the_text():
    text = "Original ancient wizard profile card"
    assert "".join(tokens.split_text(text)) == text


def test_a_hundred_thousand_characters_are_counted():
    assert tokens.count_text("a glass desert " * 7000) == 3 * 7000 + 1


@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([1536, 2500, 6144, 10000]))
def test_a_patch_budget_is_never_exceeded(width, height, budget):
    assert 1 <= tokens.patches(width, height, budget=budget) <= budget


@given(st.integers(1, 12_000), st.integers(1, 12_000))
def test_every_model_counts_every_photo_or_refuses_it_in_words(width, height):
    for model in catalog.default().models:
        if model.vision is None:
            continue
        for detail in model.details:
            try:
                count = tokens.vision_input(model, Size(width, height), detail)
            except catalog.InvalidRequest as error:
                assert "patches" in str(error)  # noqa: PT017 # both branches are asserted
            else:
                assert 0 < count.low <= count.high


@given(st.integers(1, 12_000), st.integers(1, 12_000))
def test_a_photo_that_lies_on_its_side_costs_the_same(width, height):
    """So the quote holds for a photo that is sent with its orientation tag instead of turned."""
    for model in catalog.default().models:
        for detail in model.details if model.vision is not None else ():
            counts = []
            for size in (Size(width, height), Size(height, width)):
                try:
                    counts.append(tokens.vision_input(model, size, detail).range)
                except catalog.InvalidRequest:
                    counts.append(None)
            assert counts[0] == counts[1], (model.name, detail)


@pytest.mark.parametrize(
    "alphabet",
    [
        "".join(map(chr, range(128))),
        "etaoin shrdlu ETAOIN,.'",
        "'sStTrReEvVmMlLdD xX",
        " \t\r\n\x0b\x0c\x1c\x1fab/",
        "0123456789 .,-$%",
    ],
)
def test_a_few_texts_are_counted_alike_without_loading_the_vocabulary(alphabet):
    draw = random.Random(alphabet)
    text = "".join(draw.choice(alphabet) for _ in range(1_000))
    text += " ".join(draw.choice(PROSE) for _ in range(90))
    assert tokens._count_plain(text) == len(tokens._encoding().encode_ordinary(text))


PROSE = Path(tokens.__file__).read_text(encoding="utf-8").split(" ")


def test_texts_that_are_not_plain_or_short_are_left_to_the_whole_vocabulary():
    assert tokens._count_plain("") == 0
    for text in ("café", "a" * 41, "word " * 500, "\ud83d"):
        assert tokens._count_plain(text) is None
