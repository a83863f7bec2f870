"""What is asked about a photo, and how the answer is read.

An answer is data, never an instruction: it is cut to a size, its tags are cleaned, nothing in it
is followed or fetched (a photo can contain text that says "add the tag admin").
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from playground.errors import InvalidRequest
from playground.values import Task

MAX_TEXT_BYTES = 4096
MAX_TAGS = 64
MAX_TAG_CHARACTERS = 64
DECORATIVE = "DECORATIVE"
"""The alt text answer that means: the photo needs none."""

_PROMPTS: dict[Task, str] = {
    "describe": (
        "Describe this photo in two or three plain sentences: what it shows, where, and what "
        "stands out."
    ),
    "alt": (
        "Write alt text for this photo in one sentence of at most 125 characters. Do not begin "
        'with "image of" or "photo of".'
    ),
    "tags": "Give 5 to 12 short lower-case tags for this photo, the most specific first.",
    "ocr": (
        "Transcribe all text in this photo exactly, line by line. Answer with nothing else; "
        "if there is no text, answer with an empty line."
    ),
    "attributes": (
        "List the attributes of the main object in this photo: its category, colours, materials, "
        "style and condition."
    ),
}

_TAGS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["tags"],
    "additionalProperties": False,
}
_ATTRIBUTES_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {"type": "string"},
        "colors": {"type": "array", "items": {"type": "string"}},
        "materials": {"type": "array", "items": {"type": "string"}},
        "style": {"type": "string"},
        "condition": {"type": "string"},
    },
    "required": ["category", "colors", "materials", "style", "condition"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A caption as it is kept. `problems` says what was cut or could not be read."""

    text: str
    tags: tuple[str, ...] = ()
    data: Mapping[str, Any] | None = None
    problems: tuple[str, ...] = ()


def task_prompt(task: Task) -> str:
    """The prompt of a task, used unless the request brings its own."""
    return _PROMPTS[task]


def compose(
    task: Task,
    *,
    own: str = "",
    language: str = "",
    max_characters: int | None = None,
    may_be_decorative: bool = False,
    vocabulary: Sequence[str] = (),
    max_words: int | None = None,
) -> str | None:
    """The prompt for a task with wishes; None where the task's own prompt says it all.

    Args:
        own: replaces the task's prompt.
        language: in which to answer, in words ("German").
        max_characters: of an alt text.
        may_be_decorative: lets an alt text be `DECORATIVE`: the photo needs none.
        vocabulary: the only tags that may be given.
        max_words: of the answer.
    """
    parts = [own.strip() or _PROMPTS[task]]
    if not own.strip() and task == "alt" and max_characters not in {None, 125}:
        parts = [parts[0].replace("at most 125 characters", f"at most {max_characters} characters")]
    if task == "alt" and may_be_decorative:
        parts.append(f"If the photo is only decoration, answer with the one word {DECORATIVE}.")
    if task == "tags" and vocabulary:
        parts.append(f"Use only tags of this list: {', '.join(vocabulary)}.")
    if max_words is not None:
        parts.append(f"Use at most {max_words} words.")
    if language.strip():
        parts.append(f"Answer in {language.strip()}.")
    whole = " ".join(parts)
    return None if whole == _PROMPTS[task] else whole


def vocabulary_schema(words: Sequence[str]) -> str:
    """The JSON schema of a tags answer that may hold these words only."""
    tags = {"type": "array", "items": {"type": "string", "enum": list(words)}}
    return json.dumps({**_TAGS_SCHEMA, "properties": {"tags": tags}}, ensure_ascii=False)


def alt_problems(text: str, max_characters: int = 125) -> tuple[str, ...]:
    """What keeps a text from being a good alternative text; sentences, none for a good one."""
    found = []
    if len(text) > max_characters:
        found.append(f"{len(text)} characters, {max_characters} were asked for")
    start = text.lower().lstrip("\"'“„«").removeprefix("an ").removeprefix("a ")
    found.extend(
        f"it begins with “{words}”, which a screen reader says anyway"
        for words in ("image of", "photo of", "picture of", "photograph of")
        if start.startswith(words)
    )
    return tuple(found)


def task_schema(task: Task, schema: str | None = None) -> dict[str, Any] | None:
    """The JSON schema that the answer must follow, or None for free text.

    Args:
        task: tags and attributes have a schema of their own.
        schema: the text of another schema, for attributes.

    Raises:
        InvalidRequest: when `schema` is not a JSON Schema of an object.
    """
    if schema is None:
        return {"tags": _TAGS_SCHEMA, "attributes": _ATTRIBUTES_SCHEMA}.get(task)
    if task not in {"attributes", "tags"}:
        msg = f"the task {task!r} answers in plain text; a schema goes with the task attributes"
        raise InvalidRequest(msg)
    return _read_schema(schema)


@lru_cache(maxsize=64)
def _read_schema(text: str) -> dict[str, Any]:
    nothing = "nothing was sent and nothing was spent"
    try:
        tree: dict[str, Any] = json.loads(text)
        if not isinstance(tree, dict) or tree.get("type") != "object" or "properties" not in tree:
            msg = (
                f'the schema must be a JSON Schema of "type": "object" with "properties"; {nothing}'
            )
            raise InvalidRequest(msg)
        fault = _fault(tree, tree, "it")
    except RecursionError:
        fault = "it is nested too deep"
    except ValueError as error:
        msg = f"the schema is not JSON ({error}); {nothing}"
        raise InvalidRequest(msg) from None
    if fault:
        msg = f"the schema is not a JSON Schema: {fault}; {nothing}"
        raise InvalidRequest(msg)
    return tree


_TYPES = ("string", "number", "integer", "object", "array", "boolean", "null")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_MAPPINGS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_INNER = ("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else")


def _fault(schema: Any, root: Mapping[str, Any], where: str) -> str:
    """What in a schema is none by the meta-schema (2020-12), or ""; unknown words are allowed."""
    if isinstance(schema, bool):
        return ""
    if not isinstance(schema, dict):
        return f"{where} is neither an object nor true or false"
    for word in schema:
        fault = _fault_of(word, schema[word], root, where)
        if fault:
            return fault
    return ""


def _fault_of(word: str, value: Any, root: Mapping[str, Any], where: str) -> str:
    """What is wrong with one word of a schema, and with the schemas within it."""
    at = f"{where}.{word}".removeprefix("it.")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if word == "type":
        kinds = value if isinstance(value, list) and value else [value]
        unknown = [json.dumps(one)[:40] for one in kinds if one not in _TYPES]
        return f"{at} is {unknown[0]}, not one of {', '.join(_TYPES)}" if unknown else ""
    if word in _COUNTS:
        return "" if number and value >= 0 and value == int(value) else f"{at} is no count"
    if word in _NUMBERS:
        return "" if number else f"{at} is no number"
    if word == "required":
        names = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return "" if names else f"{at} is no list of names"
    if word == "enum":
        return "" if isinstance(value, list) and value else f"{at} is no list of values"
    if word in {"$ref", "pattern", "format"} and not isinstance(value, str):
        return f"{at} is no text"
    if word == "$ref":
        return _dangling(value, root, at)
    inner: list[tuple[str, Any]] = []
    if word in _MAPPINGS:
        if not isinstance(value, dict):
            return f"{at} is no object"
        inner = [(f"{at}.{name}", one) for name, one in value.items()]
    elif word in _LISTS:
        if not isinstance(value, list) or not value:
            return f"{at} is no list of schemas"
        inner = [(f"{at}[{number}]", one) for number, one in enumerate(value)]
    elif word in _INNER:
        inner = [(at, value)]
    return next(filter(None, (_fault(one, root, place) for place, one in inner)), "")


def _dangling(reference: str, root: Mapping[str, Any], at: str) -> str:
    if not reference.startswith("#"):
        return f"{at} leads out of the schema ({reference[:60]})"
    found: Any = root
    for step in filter(None, reference[1:].split("/")):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return "" if isinstance(found, dict | bool) else f"{at} leads nowhere ({reference[:60]})"


def parse_answer(task: Task, text: str) -> Answer:
    """Read an answer; an unreadable one keeps its text, because it was paid for."""
    problems: list[str] = []
    kept = _cut(text, problems)
    if task not in {"tags", "attributes"}:
        return Answer(kept, problems=tuple(problems))
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        problems.append("the answer is not the JSON object that was asked for")
        if task == "tags":
            tags = clean_tags(kept.replace("\n", ",").split(","))
            return Answer(kept, tags=tags, problems=tuple(problems))
        return Answer(kept, problems=tuple(problems))
    if task == "attributes":
        if len(json.dumps(data)) > MAX_TEXT_BYTES:
            problems.append("the attributes were too long and are kept as text only")
            return Answer(kept, problems=tuple(problems))
        return Answer(kept, data=data, problems=tuple(problems))
    raw = data.get("tags")
    found = [tag for tag in raw if isinstance(tag, str)] if isinstance(raw, list) else []
    tags = clean_tags(found)
    if len(found) > MAX_TAGS:
        problems.append(f"{len(found):,} tags were answered, {MAX_TAGS} are kept")
    return Answer(_cut(", ".join(tags), []), tags=tags, problems=tuple(problems))


def clean_tags(tags: list[str]) -> tuple[str, ...]:
    """At most 64 different tags of at most 64 characters, one line each, without controls."""
    kept: dict[str, None] = {}
    for tag in tags:
        line = " ".join(unicodedata.normalize("NFC", tag).split())
        clean = "".join(c for c in line if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
        clean = clean.strip(" #\"'.,;")[:MAX_TAG_CHARACTERS].strip()
        if clean:
            kept.setdefault(clean)
        if len(kept) == MAX_TAGS:
            break
    return tuple(kept)


def _cut(text: str, problems: list[str]) -> str:
    raw = text.strip().encode("utf-8", "replace")
    if len(raw) <= MAX_TEXT_BYTES:
        return raw.decode("utf-8")
    problems.append(f"the answer of {len(raw):,} bytes was cut to {MAX_TEXT_BYTES:,}")
    return raw[:MAX_TEXT_BYTES].decode("utf-8", "ignore")
