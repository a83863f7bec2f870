"""Answers are data: cut, cleaned, never followed."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import captions
from playground.errors import InvalidRequest
from playground.values import TASKS


@given(st.sampled_from(TASKS), st.text())
def test_any_answer_can_be_read_and_stays_within_the_limits(task, text):
    answer = captions.parse_answer(task, text)
    assert len(answer.text.encode("utf-8", "surrogatepass")) <= captions.MAX_TEXT_BYTES + 200
    assert len(answer.tags) <= captions.MAX_TAGS
    assert all(0 < len(tag) <= captions.MAX_TAG_CHARACTERS for tag in answer.tags)


def test_a_flood_of_tags_and_a_megabyte_of_text_are_cut():
    many = json.dumps({"tags": [f"tag {i}" * 40 for i in range(10_000)]})
    answer = captions.parse_answer("tags", many)
    assert len(answer.tags) == 64
    assert answer.problems
    long = captions.parse_answer("describe", "x" * 1_000_000)
    assert len(long.text) == captions.MAX_TEXT_BYTES
    assert "cut" in long.problems[0]


def test_tags_are_cleaned_and_not_repeated():
    answer = captions.parse_answer(
        "tags", json.dumps({"tags": [" Cat\n", "Cat", "#dog", "\x1b[2J"]})
    )
    assert answer.tags == ("Cat", "dog", "[2J")


def test_an_unreadable_answer_keeps_its_text_because_it_was_paid_for():
    answer = captions.parse_answer("attributes", "not json")
    assert answer.text == "not json"
    assert answer.data is None
    assert answer.problems


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_prompt(task):
    assert len(captions.task_prompt(task)) > 20


@pytest.mark.parametrize("schema", ["", "{", "[]", '{"type": "string"}', '{"type": "object"}'])
def test_a_schema_that_is_none_is_refused(schema):
    with pytest.raises(InvalidRequest, match="nothing was spent"):
        captions.task_schema("attributes", schema)


@pytest.mark.parametrize(
    ("inner", "fault"),
    [
        ({"type": "colour"}, 'properties.a.type is "colour", not one of string'),
        ({"type": ["string", 3]}, "properties.a.type is 3"),
        ({"type": []}, "properties.a.type"),
        ({"type": {}}, "properties.a.type"),
        ("text", "properties.a is neither"),
        ({"type": "string", "minLength": "x"}, "properties.a.minLength is no count"),
        ({"minimum": True}, "properties.a.minimum is no number"),
        ({"enum": []}, "properties.a.enum is no list"),
        ({"items": {"anyOf": []}}, "properties.a.items.anyOf is no list of schemas"),
        ({"items": {"anyOf": [{}, {"required": "b"}]}}, "properties.a.items.anyOf[1].required"),
        ({"$ref": "#/$defs/nowhere"}, "properties.a.$ref leads nowhere"),
        ({"$ref": "https://example.org/x"}, "leads out of the schema"),
        ({"properties": []}, "properties.a.properties is no object"),
    ],
)
def test_what_is_no_json_schema_is_refused_and_says_where(inner, fault):
    schema = json.dumps({"type": "object", "properties": {"a": inner}})
    with pytest.raises(InvalidRequest, match=re.escape(fault)):
        captions.task_schema("attributes", schema)


def test_a_schema_that_is_nested_too_deep_is_refused():
    schema = '{"type": "object", "properties": ' + "[" * 100_000 + "]" * 100_000 + "}"
    with pytest.raises(InvalidRequest, match="nested too deep"):
        captions.task_schema("attributes", schema)


def test_a_schema_may_use_all_words_and_words_of_its_own():
    tree = {
        "type": "object",
        "$defs": {"colour": {"type": "string", "enum": ["red", "green"]}},
        "properties": {
            "colours": {"type": "array", "items": {"$ref": "#/$defs/colour"}, "maxItems": 3},
            "size": {"anyOf": [{"type": "null"}, {"type": ["integer", "number"], "minimum": 0.5}]},
            "again": {"$ref": "#"},
            "x-note": True,
        },
        "required": ["colours"],
        "additionalProperties": False,
        "x-made-by": 3,
    }
    assert captions.task_schema("attributes", json.dumps(tree)) == tree


def test_a_schema_belongs_to_a_structured_task():
    with pytest.raises(InvalidRequest, match="plain text"):
        captions.task_schema("describe", '{"type": "object", "properties": {}}')
