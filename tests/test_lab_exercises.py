"""Exercises: every answer from the rules, every usual mistake with its own hint, progress kept."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import catalog, pricing, solver, tokens
from playground.errors import InvalidRequest, PlaygroundError
from playground.lab import classroom
from playground.lab.classroom import FILE, Progress, load, save, teachers_key
from playground.lab.exercises import BY_ID, EXERCISES, LEVELS, Graded, exercise, grade
from playground.lab.priced import photo_request
from playground.size import Size
from playground.values import ImageRequest

DAY = dt.date(2026, 11, 20)
BOOK = catalog.default()
IDS = [each.id for each in EXERCISES]


def worked(name):
    return BY_ID[name].work(BOOK, DAY)


def right(name):
    answer = worked(name).answer
    return answer if isinstance(answer, str) else format(answer, "f")


def test_there_are_enough_for_a_class_of_45_minutes_in_three_levels():
    assert len(EXERCISES) >= 15
    assert len(set(IDS)) == len(IDS)
    assert {each.level for each in EXERCISES} == set(LEVELS) == {1, 2, 3}
    minutes = {level: sum(e.minutes for e in EXERCISES if e.level == level) for level in LEVELS}
    assert minutes[1] + minutes[2] <= 45
    assert all(10 <= each <= 30 for each in minutes.values())


@pytest.mark.parametrize("name", IDS)
def test_the_worked_answer_is_graded_right(name):
    graded = grade(exercise(name), right(name), DAY)
    assert graded.right
    assert graded.words.startswith("Right. ")


def mistakes():
    """Each exercise with each of its mistakes that is not by chance the answer itself."""
    for each in EXERCISES:
        found = each.work(BOOK, DAY)
        for mistake, hint in found.mistakes:
            if mistake != found.answer:
                yield each.id, mistake, hint


@pytest.mark.parametrize(("name", "mistake", "hint"), list(mistakes()))
def test_each_usual_mistake_gets_its_own_hint(name, mistake, hint):
    typed = mistake if isinstance(mistake, str) else format(mistake, "f")
    graded = grade(exercise(name), typed, DAY)
    assert not graded.right
    same = [text for _, wrong, text in mistakes() if wrong == mistake]
    assert hint in same
    assert graded.words in same


@pytest.mark.parametrize("name", [each.id for each in EXERCISES if each.unit != "choice"])
def test_other_wrong_answers_get_a_hint_from_how_far_off_they_are(name):
    answer = worked(name).answer
    seen = set()
    for factor in ("0.37", "1.9", "1000", "0.001", "-1"):
        graded = grade(exercise(name), format(answer * Decimal(factor), "f"), DAY)
        assert not graded.right
        assert len(graded.words) > 15
        seen.add(graded.words)
    assert len(seen) >= 3


def test_answers_agree_with_quotes_and_with_the_world():
    half = pricing.quote(ImageRequest(prompt_tokens=20), on=DAY)
    assert worked("half-penny").answer == half.high == Decimal("0.00397")
    assert worked("axis-low").answer == 196
    assert worked("prompt").answer == 12
    assert worked("left").answer == 220
    assert worked("edit").answer == 1024
    assert worked("low").answer == 2833
    assert worked("nano-phone").answer == 2942
    best = solver.sizes("gpt-image-2", quality="low", max_dollars="0.005", prompt_tokens=20, top=1)
    assert worked("largest").answer == best[0].size.pixels
    quote = pricing.quote(photo_request("gpt-5.4-nano", tier="batch"), on=DAY)
    assert worked("budget").answer == int(20 / quote.high)
    square = tokens.image_output(BOOK.model("gpt-image-2"), Size(1536, 1024), "medium")
    assert worked("axis-medium").answer == square.high


def test_an_answer_follows_a_changed_price():
    text = catalog.resources.files("playground").joinpath("data/models.toml").read_text("utf-8")
    start = text.index('name = "gpt-image-2"\n')
    head, tail = text[:start], text[start:]
    dearer = catalog.read((head + tail.replace('text_input = "5"', 'text_input = "6"', 1)).encode())
    before, after = worked("text-cost"), BY_ID["text-cost"].work(dearer, DAY)
    assert after.answer == before.answer * Decimal("1.2")
    assert not grade(BY_ID["text-cost"], format(before.answer, "f"), DAY, known=dearer).right


@pytest.mark.parametrize("typed", ["", "many", "1e999", "$", "NaN", "12 or 13", "<b>1</b>"])
def test_what_is_no_number_does_not_count_and_is_said(typed):
    with pytest.raises(InvalidRequest, match=r"no number|beyond anything"):
        grade(BY_ID["axis-low"], typed, DAY)


def test_amounts_may_be_typed_as_people_write_them():
    for typed in ("$0.00397", "0.003970", " 0.00397 dollars"):
        assert grade(BY_ID["half-penny"], typed, DAY).right
    assert grade(BY_ID["largest"], "5,038,080 pixels", DAY).right


def test_a_choice_that_is_none_is_said():
    with pytest.raises(InvalidRequest, match="choose one of"):
        grade(BY_ID["video"], "640x480", DAY)
    with pytest.raises(InvalidRequest, match="no exercise"):
        exercise("missing")


@given(st.sampled_from(IDS), st.text(max_size=30))
def test_any_answer_is_graded_or_refused_in_words(name, typed):
    with suppress(PlaygroundError):
        assert grade(BY_ID[name], typed, DAY).words


# ---------------------------------------------------------------------------------- progress, key


def test_progress_is_kept_in_the_folder_and_read_again(tmp_path):
    progress = load(tmp_path)
    assert progress == Progress()
    progress = progress.after(Graded("prompt", False, "…", "5")).after(
        Graded("prompt", True, "…", "12")
    )
    assert save(tmp_path, progress) == ""
    assert load(tmp_path) == progress
    assert load(tmp_path).tries == {"prompt": 2}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert classroom.forget(tmp_path) == ""
    assert load(tmp_path) == Progress()


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", '{"solved": 3}', '{"solved": [], "tries": {"prompt": "x"}}', "\x00"],
)
def test_a_damaged_file_starts_anew_and_says_so(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    found = load(tmp_path)
    assert found.solved == frozenset()
    assert "damaged" in found.problem


def test_unknown_names_in_the_file_are_ignored(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"solved": ["prompt", "cheat"], "tries": {"cheat": 9}}))
    assert load(tmp_path).solved == {"prompt"}


def test_a_folder_that_cannot_be_written_is_said_and_the_answer_still_counts(tmp_path):
    problem = save(tmp_path / "missing", Progress(frozenset({"prompt"})))
    assert "could not be kept" in problem


def test_the_teachers_key_has_every_answer():
    key = teachers_key(DAY)
    for each in EXERCISES:
        assert each.question in key
    assert "answer: 196 tokens" in key
    assert "answer: $0.00397" in key
