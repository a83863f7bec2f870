"""The prompt coach: tokens by word, cheaper spellings, a cut to a limit, by consent only."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import tokens
from playground.errors import InvalidRequest
from playground.lab.coach import coach, synonyms

PROMPTS = [
    line.split("\t")
    for line in (Path(__file__).parent / "golden" / "prompts.tsv").read_text("utf-8").splitlines()
    if not line.startswith("#")
]


def test_there_are_fifty_public_prompts():
    assert len({prompt for prompt, _ in PROMPTS}) == 50


@pytest.mark.parametrize(("prompt", "locked"), PROMPTS, ids=lambda text: text[:24])
def test_a_public_prompt_is_cut_by_thirty_percent_and_keeps_its_locked_words(prompt, locked):
    before = tokens.count_text(prompt)
    limit = before * 7 // 10
    keep = locked.split(",")
    cut = coach(prompt, keep, limit).cut
    assert cut.met
    assert cut.tokens == tokens.count_text(cut.prompt) <= limit
    assert all(phrase.lower() in cut.prompt.lower() for phrase in keep)


def test_the_tokens_of_the_words_add_up_to_the_prompts():
    for prompt, _ in PROMPTS:
        made = coach(prompt)
        assert sum(word.tokens for word in made.words) == made.tokens == tokens.count_text(prompt)
        assert made.billed == made.tokens + 6


def test_each_offer_saves_what_it_says_and_changes_nothing_by_itself():
    prompt = "A  picture of a Dragon next to an old map, please."
    made = coach(prompt, ["Dragon"])
    assert made.prompt == prompt
    assert {offer.kind for offer in made.offers} >= {"spacing", "shorter word"}
    for offer in made.offers:
        assert tokens.count_text(offer.prompt) == made.tokens - offer.saves
        assert "Dragon" in offer.prompt


def test_lower_case_is_offered_where_it_is_cheaper_and_the_word_is_free():
    shouted = "a HIPPOPOTAMUS in a TUXEDO"
    kinds = [(offer.kind, offer.before) for offer in coach(shouted).offers]
    assert ("lower case", "HIPPOPOTAMUS") in kinds
    locked = [(offer.kind, offer.before) for offer in coach(shouted, ["HIPPOPOTAMUS"]).offers]
    assert ("lower case", "HIPPOPOTAMUS") not in locked


def test_locked_words_alone_may_need_more_than_the_limit_and_it_is_said():
    cut = coach("a wizard and a dragon over Constantinople", ["wizard", "Constantinople"], 2).cut
    assert not cut.met
    assert "locked words alone take" in cut.words
    assert "wizard" in cut.prompt
    assert "Constantinople" in cut.prompt


def test_every_synonym_of_the_list_saves_tokens_somewhere():
    idle = []
    for word, other in synonyms().items():
        # The list only helps where it is cheaper; a line that never is would be dead weight.
        places = (f"x {word} y", f"{word.capitalize()} y", f"x, {word}, y", f"x {word}")
        cheaper = [
            tokens.count_text(text.replace(word, other)) < tokens.count_text(text)
            for text in places
        ]
        if not any(cheaper):
            idle.append(word)
    assert idle == []


@pytest.mark.parametrize(
    ("prompt", "limit", "words"),
    [
        ("", None, "no prompt yet"),
        ("   ", None, "no prompt yet"),
        ("x" * 9000, None, "at most 8,000"),
        ("a cat", 0, "from 1 to 4,000"),
        ("a cat", -3, "from 1 to 4,000"),
    ],
)
def test_what_cannot_be_coached_is_one_sentence(prompt, limit, words):
    with pytest.raises(InvalidRequest, match=words):
        coach(prompt, (), limit)


@given(st.text(min_size=1, max_size=80), st.integers(1, 20))
def test_any_text_is_coached_without_harm(prompt, limit):
    if not prompt.strip():
        return
    made = coach(prompt, [], limit)
    assert made.cut.tokens == tokens.count_text(made.cut.prompt)
    assert sum(word.tokens for word in made.words) <= made.tokens
