"""Reading requests: JSON and multipart forms, field by field, refused in the API's words."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import create_form_parser

from playground.provider.offline.wire import ApiError, Call

_MAX_PICTURES = 16


@dataclass
class Form:
    """An Images API request: plain fields, input pictures, mask."""

    fields: dict[str, Any]
    pictures: list[bytes] = field(default_factory=list)
    mask: bytes | None = None


def read(call: Call, *, edit: bool) -> Form:
    """The form of a generation (JSON) or of an edit (multipart)."""
    kind = call.headers.get("content-type", "")
    if not edit:
        return Form(read_json(call))
    if not kind.startswith("multipart/form-data"):
        message = Message()
        message["content-type"] = kind
        shown = message.get_content_type() if kind else "none"
        raise bad(f"Invalid Content-Type: expected multipart/form-data, got {shown}.", None)
    return _multipart(call, kind)


def read_json(call: Call) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        ApiError: when it is none.
    """
    try:
        document = json.loads(call.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        message = "We could not parse the JSON body of your request."
        raise ApiError(400, message)
    return document


def _multipart(call: Call, kind: str) -> Form:
    form = Form({})

    def on_field(part: Any) -> None:
        form.fields[part.field_name.decode().removesuffix("[]")] = (part.value or b"").decode()

    def on_file(part: Any) -> None:
        part.file_object.seek(0)
        data, name = part.file_object.read(), part.field_name.decode().removesuffix("[]")
        part.close()
        if name == "mask":
            form.mask = data
        elif name == "image":
            form.pictures.append(data)
        form.fields[name] = True

    config = {"MAX_MEMORY_FILE_SIZE": 2**40}
    try:
        parser = create_form_parser(
            {"Content-Type": kind.encode()}, on_field, on_file, config=config
        )
        parser.write(call.body)
        parser.finalize()
        parser.close()
    except (FormParserError, ValueError):
        raise bad("We could not parse the form of your request.", None) from None
    if not form.pictures:
        raise bad("Missing required parameter: 'image'.", "image", "missing_required_parameter")
    if len(form.pictures) > _MAX_PICTURES:
        message = f"Invalid 'image': at most {_MAX_PICTURES} images, got {len(form.pictures)}."
        raise bad(message, "image", "array_above_max_length")
    return form


def refuse_unknown(fields: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise the API's refusal for a parameter that it does not have."""
    for name in fields:
        if name not in known:
            raise bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def choice(fields: Mapping[str, Any], name: str, default: str, allowed: tuple[str, ...]) -> str:
    """A field that takes one of a few words."""
    value = fields.get(name) or default
    if value not in allowed:
        listed = ", ".join(f"'{each}'" for each in dict.fromkeys(allowed))
        message = f"Invalid value: '{value}'. Supported values are: {listed}."
        raise bad(message, name)
    return str(value)


def whole(fields: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    """A field that takes a whole number within bounds; forms write it as text."""
    value = fields.get(name, default)
    try:
        number = int(value) if not isinstance(value, bool | float) else None
    except (TypeError, ValueError):
        number = None
    if number is None:
        raise bad(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
    if number < low:
        message = f"Invalid '{name}': integer below minimum value. Expected a value >= {low}."
        raise bad(message, name, "integer_below_min_value")
    if number > high:
        message = f"Invalid '{name}': integer above maximum value. Expected a value <= {high}."
        raise bad(message, name, "integer_above_max_value")
    return number


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false."""
    value = fields.get(name, False)
    if value in (True, "true"):
        return True
    if value in (False, None, "false"):
        return False
    raise bad(f"Invalid type for '{name}': expected a boolean.", name, "invalid_type")


def bad(message: str, param: str | None, code: str = "invalid_value") -> ApiError:
    """The API's refusal of a field, with status 400."""
    return ApiError(400, message, param=param, code=code)
