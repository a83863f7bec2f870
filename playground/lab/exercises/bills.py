"""Level 1, reading a bill: what text, pictures and words cost, and what is left."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from playground import money, pricing, tokens
from playground.catalog import Catalog
from playground.lab.exercises.grading import Answered, Exercise, one_picture, picture_price
from playground.lab.priced import photo_request
from playground.size import Size


def _text_cost(book: Catalog, on: dt.date) -> Answered:
    rates = book.rates("gpt-image-2", "standard", on)
    assert rates is not None
    right = money.token_cost(20, rates["text_input"])
    return Answered(
        right,
        f"20 × ${money.plain(rates['text_input'])} / 1,000,000 = {money.short(right)}.",
        (
            (
                money.token_cost(20, rates["image_output"]),
                "That is the price of picture tokens; a prompt is text input.",
            ),
            (
                money.token_cost(26, rates["text_input"]),
                "The 20 tokens are already the billed ones: the endpoint's 6 are in them.",
            ),
            (
                money.token_cost(14, rates["text_input"]),
                "All 20 are billed; nothing is taken off for the endpoint.",
            ),
        ),
    )


def _bill_total(book: Catalog, on: dt.date) -> Answered:
    rates = book.rates("gpt-image-2", "standard", on)
    assert rates is not None
    text = money.token_cost(20, rates["text_input"])
    out = one_picture(book, on, Size(976, 704), "low")
    right = picture_price(book, on, size="976x704", quality="low", prompt_tokens=20)
    return Answered(
        right,
        f"20 tokens of text and {out} of picture: {money.short(right)}.",
        (
            (right - text, "The prompt is missing: add 20 tokens of text input."),
            (
                money.token_cost(20 + out, rates["text_input"]),
                f"Text and picture have different prices: {out} of these tokens cost more.",
            ),
            (
                money.token_cost(20 + out, rates["image_output"]),
                "Text and picture have different prices: 20 of these tokens cost less.",
            ),
        ),
    )


def _prompt_count(_book: Catalog, _on: dt.date) -> Answered:
    words = "Sparkling shell with a pearl"
    count = tokens.count_text(words)
    return Answered(
        Decimal(count + tokens.IMAGE_PROMPT_OVERHEAD),
        f"{count} tokens of words, and {tokens.IMAGE_PROMPT_OVERHEAD} that the endpoint adds.",
        (
            (
                Decimal(count),
                "That is the prompt alone; the endpoint adds tokens of its own (see Explain).",
            ),
            (
                Decimal(len(words.split())),
                "Words are not tokens: a rare word is cut into several pieces. And the endpoint "
                "adds some.",
            ),
            (
                Decimal(len(words.split()) + 6),
                "Words are not tokens: one of these is cut into two pieces.",
            ),
            (Decimal(len(words)), "Those are characters; tokens are longer pieces."),
        ),
    )


def _left_of_half(book: Catalog, on: dt.date) -> Answered:
    picture = picture_price(book, on, size="976x704", quality="low", prompt_tokens=0)
    rates = book.rates("gpt-image-2", "standard", on)
    assert rates is not None
    left = int((Decimal("0.005") - picture) * 1_000_000 // rates["text_input"])
    return Answered(
        Decimal(left - tokens.IMAGE_PROMPT_OVERHEAD),
        f"{left} tokens fit, {tokens.IMAGE_PROMPT_OVERHEAD} of them are the endpoint's.",
        (
            (
                Decimal(left),
                f"Almost: {tokens.IMAGE_PROMPT_OVERHEAD} of those belong to the endpoint.",
            ),
            (
                Decimal(int(Decimal("0.005") * 1_000_000 / rates["text_input"])),
                "The picture has to be paid first.",
            ),
        ),
    )


def _batch_dollar(book: Catalog, on: dt.date) -> Answered:
    half = picture_price(book, on, size="976x704", quality="low", prompt_tokens=20, tier="batch")
    full = picture_price(book, on, size="976x704", quality="low", prompt_tokens=20)
    return Answered(
        Decimal(int(1 / half)),
        f"Each costs {money.short(half)} in batch.",
        (
            (Decimal(int(1 / full)), "That is without batch: a batch costs half."),
            (
                Decimal(500),
                "500 are certain, but a few more still fit into the dollar: divide, and round "
                "down.",
            ),
            (
                Decimal(int(1 / half) + 1),
                "That one no longer fits: round down, the dollar is a limit.",
            ),
        ),
    )


def _cents(book: Catalog, on: dt.date) -> Answered:
    bill = pricing.quote(photo_request("gpt-5.4-nano", answer_tokens=112), on=on, known=book)
    line = next(line for line in bill.lines if line.bucket == "text_output")
    asked = next(line for line in bill.lines if line.bucket == "text_input")
    return Answered(
        line.dollars,
        f"112 × ${money.plain(line.per_million)} / 1,000,000.",
        (
            (
                money.token_cost(112, asked.per_million),
                "That is the input price; words that come back are output.",
            ),
            (line.dollars * 100, "Those are cents; the answer is in dollars."),
        ),
    )


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "text-cost",
        1,
        2,
        "A prompt is billed as 20 text tokens on gpt-image-2. What do they cost?",
        "dollars",
        _text_cost,
    ),
    Exercise(
        "half-penny",
        1,
        3,
        "A 976x704 picture at low is billed 20 tokens of text and 129 of picture on "
        "gpt-image-2. What is the total?",
        "dollars",
        _bill_total,
    ),
    Exercise(
        "prompt",
        1,
        2,
        "How many text tokens are billed for the prompt “Sparkling shell with a pearl”?",
        "tokens",
        _prompt_count,
    ),
    Exercise(
        "left",
        1,
        3,
        "A 976x704 picture at low leaves how many tokens of your own prompt within half a cent?",
        "tokens",
        _left_of_half,
    ),
    Exercise(
        "batch",
        1,
        3,
        "How many 976x704 pictures at low, 20 billed prompt tokens each, does one dollar buy in "
        "batch?",
        "pictures",
        _batch_dollar,
    ),
    Exercise(
        "answer",
        1,
        2,
        "gpt-5.4-nano answers with 112 tokens. What do these words cost?",
        "dollars",
        _cents,
    ),
)
