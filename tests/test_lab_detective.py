"""The bill detective: a usage, a response or an amount back to the request that it was."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import pricing
from playground.errors import InvalidRequest, PlaygroundError, UnknownModel
from playground.lab.detective import read, solve
from playground.values import ImageRequest

DAY = dt.date(2026, 11, 20)


def usage(text, out, image=0):
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": out,
        "total_tokens": text + image + out,
    }


@pytest.mark.parametrize(
    "asked",
    [
        ImageRequest("a boat"),
        ImageRequest("a boat", size="1440x480"),
        ImageRequest("a boat", size="1024x1024", quality="high"),
        ImageRequest("a boat", model="gpt-image-2.5-flare", size="1024x1024", quality="low"),
    ],
    ids=lambda asked: f"{asked.model} {asked.size} {asked.quality}",
)
def test_the_request_is_among_the_suspects_of_its_own_bill(asked):
    quote = pricing.quote(asked, on=DAY)
    tokens = {bucket: span.high for bucket, span in quote.tokens.items()}
    bill = json.dumps(usage(tokens["text_input"], tokens["image_output"]))
    found = solve(read(bill), DAY, asked.model)
    assert any((s.size, s.quality) == (str(asked.size), asked.quality) for s in found.suspects)
    for price in found.priced:
        again = pricing.quote(price.request, on=DAY)
        assert (price.low, price.high) == (again.low, again.high)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(usage(20, 129)),
        json.dumps({"created": 1, "data": [{"b64_json": "…"}], "usage": usage(20, 129)}),
        "Usage(input_tokens=20, output_tokens=129, total_tokens=149)",
        "Input text 20 tokens × $5/1M = $0.000_100_000\nOutput tokens 129 tokens × $30/1M = …",
        "{'input_tokens': 20, 'output_tokens': 129}",
        '[{"x": 1}, {"response": {"body": {"usage": {"input_tokens": 20, "output_tokens": 129}}}}]',
    ],
)
def test_a_bill_is_found_in_what_people_paste(text):
    clue = read(text)
    assert clue.out == 129
    found = solve(clue, DAY, "gpt-image-2")
    assert any(suspect.size == "976x704" for suspect in found.suspects)
    assert found.bill[-1][1] in {"$0.003_970_000", "$0.003_870_000"}


def test_an_amount_names_the_likeliest_request_with_the_prompt_that_makes_it_up():
    found = solve(read("$0.00397"), DAY)
    assert found.suspects[0].size == "976x704"
    assert "20 tokens of prompt" in found.suspects[0].how
    assert found.suspects[0].dollars == "$0.00397"
    assert "leaves prompt and picture open" in found.words


def test_the_186_tokens_are_also_a_delivery_for_auto():
    found = solve(read('{"input_tokens": 16, "output_tokens": 186}'), DAY, "gpt-image-2")
    assert "size=auto" in found.words


def test_several_pictures_are_recognised_where_one_cannot_be_it():
    three = json.dumps(usage(20, 3 * 7024))
    assert "n=" in solve(read(three), DAY, "gpt-image-2").words or solve(read(three), DAY).suspects
    odd = solve(read(json.dumps(usage(20, 53))), DAY)
    assert odd.suspects == ()
    assert "No single picture" in odd.words


def test_the_2751_tokens_fit_2280_patches_with_15_of_text():
    bill = '{"prompt_tokens": 2751, "completion_tokens": 112}'
    found = solve(read(bill), DAY)
    assert any("2,280 patches" in s.what and "15 tokens" in s.how for s in found.suspects)
    assert found.bill[-1][1] == "$0.000_690_200"


def test_a_photo_on_a_tile_model_is_explained_by_its_tiles():
    found = solve(read('{"prompt_tokens": 790, "completion_tokens": 5}'), DAY, "gpt-4o")
    assert any("4 tiles" in s.what and "25 tokens" in s.how for s in found.suspects)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing is pasted"),
        ("   ", "nothing is pasted"),
        ("hello there", "no bill can be found"),
        ("{}", "no usage is in it"),
        ('{"price": 3}', "no usage is in it"),
        ('{"input_tokens": 0, "output_tokens": 0}', "no tokens at all"),
        ('{"input_tokens": -4}', "no bill has so many|-4"),
        ('{"input_tokens": 99999999999999}', "no bill has so many"),
        ('{"input_tokens": "many", "output_tokens": null}', "neither input nor output"),
        ("$0", "above zero"),
        ("$99999999999", "no bill can be found|at most a billion"),
        ("-5", "no bill can be found"),
        ("x" * 300_000, "paste the usage only"),
        ("[" * 5000, "no bill can be found"),
        ("<script>alert(1)</script>", "no bill can be found"),
    ],
)
def test_nonsense_gets_one_sentence_that_says_what_a_bill_looks_like(text, words):
    with pytest.raises(InvalidRequest, match=words) as caught:
        read(text)
    assert len(str(caught.value)) < 260


def test_an_unknown_model_is_said_with_near_names():
    with pytest.raises(UnknownModel, match="near names"):
        solve(read("$0.00397"), DAY, "gpt-image-9")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text):
    with suppress(PlaygroundError):
        assert solve(read(text), DAY).words
