"""A valid instance of a JSON schema, filled with known facts where the names fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEEPEST = 12
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "nobody@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance(schema: Mapping[str, Any], facts: Mapping[str, Any]) -> Any:
    """A value that the schema accepts.

    Understood: types (also lists of them), properties, required, items, enum, const, anyOf,
    oneOf, allOf, local $ref, lengths and bounds. Patterns are not.
    """
    return _value(schema, "", facts, schema, 0)


def _value(
    schema: Any, name: str, facts: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return _from_enum(schema["enum"], name, facts)
    for choice in ("anyOf", "oneOf"):
        options = [o for o in schema.get(choice, ()) if isinstance(o, Mapping)]
        if options:
            real = [o for o in options if o.get("type") != "null"]
            return _value((real or options)[0], name, facts, root, depth + 1)
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, facts, root, depth)
    if kind == "array":
        return _array(schema, name, facts, root, depth)
    if kind == "string":
        return _string(schema, name, facts)
    if kind in {"integer", "number"}:
        return _number(schema, name, facts, whole=kind == "integer")
    return {"boolean": False, "null": None}.get(kind)


def _resolved(
    schema: Mapping[str, Any], root: Mapping[str, Any], hops: int = 0
) -> Mapping[str, Any]:
    """The schema with its local references followed and its `allOf` parts merged."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and hops < _DEEPEST:
        found: Any = root
        for step in filter(None, reference[1:].split("/")):
            found = found.get(step, {}) if isinstance(found, Mapping) else {}
        return _resolved(found, root, hops + 1) if isinstance(found, Mapping) else {}
    if isinstance(schema.get("allOf"), list):
        merged: dict[str, Any] = {k: v for k, v in schema.items() if k != "allOf"}
        for part in schema["allOf"]:
            part = _resolved(part, root, hops + 1) if isinstance(part, Mapping) else {}
            merged["properties"] = {**part.get("properties", {}), **merged.get("properties", {})}
            merged["required"] = [*part.get("required", ()), *merged.get("required", ())]
            merged = {**part, **merged}
        return merged
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _object(
    schema: Mapping[str, Any], facts: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    names = [*properties, *(n for n in schema.get("required", ()) if n not in properties)]
    if not names and depth == 0 and schema.get("additionalProperties", True) is not False:
        return {"description": facts.get("description", "")}
    return {n: _value(properties.get(n, {}), n, facts, root, depth + 1) for n in names}


def _array(
    schema: Mapping[str, Any],
    name: str,
    facts: Mapping[str, Any],
    root: Mapping[str, Any],
    depth: int,
) -> list[Any]:
    items = schema.get("items") or {}
    least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 64))
    known = _fact(name, facts)
    if (
        isinstance(known, list)
        and _kind(_resolved(items, root)) == "string"
        and "enum" not in items
    ):
        values: list[Any] = list(known)
    else:
        count = max(least, 1 if depth < _DEEPEST // 2 else 0)
        values = [_value(items, name, facts, root, depth + 1) for _ in range(count)]
    while len(values) < least:
        values.append(_value(items, name, facts, root, depth + 1))
    return values[:most]


def _string(schema: Mapping[str, Any], name: str, facts: Mapping[str, Any]) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    known = _fact(name, facts)
    if isinstance(known, list):
        known = ", ".join(map(str, known))
    text = str(known) if known is not None else str(facts.get("caption", ""))
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 4000))
    return text[:most].ljust(least, ".")


def _number(
    schema: Mapping[str, Any], name: str, facts: Mapping[str, Any], *, whole: bool
) -> int | float:
    known = _fact(name, facts)
    value: float = known if isinstance(known, int | float) else 1
    if "minimum" in schema:
        value = max(value, schema["minimum"])
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        value = schema["exclusiveMinimum"] + 1
    if "maximum" in schema:
        value = min(value, schema["maximum"])
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        value = schema["exclusiveMaximum"] - (1 if whole else 0.5)
    step = schema.get("multipleOf")
    if step:
        value = -(-value // step) * step
    return int(value) if whole else value


def _from_enum(options: list[Any], name: str, facts: Mapping[str, Any]) -> Any:
    known = _fact(name, facts)
    words = known if isinstance(known, list) else [known]
    spoken = " ".join(str(word).lower() for word in words if word is not None)
    return next((o for o in options if str(o).lower() in spoken), options[0])


def _fact(name: str, facts: Mapping[str, Any]) -> Any:
    plain = name.lower().replace("colour", "color").replace("_", " ").replace("-", " ")
    for word in (plain, *reversed(plain.split())):
        for form in (word, f"{word}s", word.removesuffix("s")):
            if form in facts:
                return facts[form]
    return None
