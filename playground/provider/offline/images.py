"""The Images API as the embedded provider offers it: checked like the real one, then drawn."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playground import tokens
from playground.catalog import Model
from playground.errors import InvalidRequest
from playground.provider import magic
from playground.provider.offline import draw
from playground.provider.offline.forms import Form, bad, choice, flag, read, refuse_unknown, whole
from playground.provider.offline.models import image_model
from playground.provider.offline.wire import Answer, Call, Pause
from playground.size import Size
from playground.values import Usage

_COMMON = {
    "model",
    "prompt",
    "size",
    "quality",
    "n",
    "output_format",
    "output_compression",
    "background",
    "moderation",
    "stream",
    "partial_images",
    "user",
    "safety_identifier",
}
_EDIT_ONLY = {"image", "mask", "input_fidelity"}
_MAX_PROMPT = 32_000
_MAX_PICTURE_BYTES = 50 * 2**20
_FORMATS = ("png", "jpeg", "webp")
_EDGE_PX = 256
# What size=auto was seen to deliver: about 1,572,864 pixels, in a shape that suits the prompt.
_AUTO_SHAPES = (
    (("panorama", "panoramic", "banner", "skyline", "horizon"), Size(2172, 724)),
    (("wide", "landscape", "valley", "coast"), Size(1672, 941)),
    (("tall", "portrait", "tower", "poster", "phone", "waterfall"), Size(1024, 1536)),
    (("icon", "logo", "square", "badge", "circle"), Size(1254, 1254)),
)
_AUTO_SIZE = Size(1536, 1024)


def answer(call: Call, seed: int, step_seconds: float) -> Answer:
    """Check a generation or edit and make its pictures.

    Args:
        seed: varies all pictures of an application.
        step_seconds: between the events of a stream.

    Raises:
        ApiError: as the real API refuses.
    """
    edit = call.path.endswith("/edits")
    form = read(call, edit=edit)
    refuse_unknown(form.fields, _COMMON | _EDIT_ONLY if edit else _COMMON)
    model = image_model(form.fields.get("model"))
    asked = _Asked.checked(model, form.fields)
    usage, sizes = _edit_usage(model, asked, form) if edit else _usage(model, asked)
    made = [_draw(asked, slot, seed, form, sizes) for slot in range(asked.n)]
    kind = "image_edit" if edit else "image_generation"
    return _answer(model, asked, usage, made, kind, step_seconds)


@dataclass(frozen=True)
class _Asked:
    prompt: str
    size: Size
    delivered: Size
    quality: str
    n: int
    output_format: str
    compression: int
    background: str
    partial_images: int
    stream: bool
    fidelity: str | None

    @classmethod
    def checked(cls, model: Model, fields: Mapping[str, Any]) -> _Asked:
        prompt = fields.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise bad(
                "Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter"
            )
        if len(prompt) > _MAX_PROMPT:
            raise bad(
                f"Invalid 'prompt': string too long. Expected a string with maximum length "
                f"{_MAX_PROMPT}, but got a string with length {len(prompt)} instead.",
                "prompt",
                "string_above_max_length",
            )
        output_format = choice(fields, "output_format", "png", _FORMATS)
        background = choice(fields, "background", "auto", ("auto", *model.backgrounds))
        if background == "transparent" and output_format == "jpeg":
            raise bad(
                "Transparent background is not supported with output format jpeg.", "background"
            )
        choice(fields, "moderation", "auto", ("auto", "low"))
        stream = flag(fields, "stream")
        partial = whole(fields, "partial_images", 0, 0, max(model.max_partial_images, 0))
        if "partial_images" in fields and not stream:
            raise bad("partial_images is only supported when stream is true.", "partial_images")
        fidelity = fields.get("input_fidelity")
        if fidelity is not None:
            choice(fields, "input_fidelity", "low", ("low", "high"))
            if model.edit_rule != "tiles":
                raise bad(
                    f"The model '{model.name}' does not support the 'input_fidelity' parameter.",
                    "input_fidelity",
                    "invalid_input_fidelity_model",
                )
        compression = whole(fields, "output_compression", 100, 0, 100)
        if compression < 100 and output_format == "png":
            raise bad(
                "Compression less than 100 is not supported for PNG output format.",
                "output_compression",
            )
        size, delivered = _size(model, fields, prompt)
        return cls(
            prompt=prompt,
            size=size,
            delivered=delivered,
            quality=_quality(model, fields),
            n=whole(fields, "n", 1, 1, model.max_n),
            output_format=output_format,
            compression=compression,
            background="opaque" if background == "auto" else background,
            partial_images=partial,
            stream=stream,
            fidelity=fidelity,
        )


def _size(model: Model, fields: Mapping[str, Any], prompt: str) -> tuple[Size, Size]:
    text = fields.get("size") or "auto"
    if text == "auto":
        delivered = _auto_size(prompt) if model.axis else Size(1536, 1024)
        return delivered, delivered
    try:
        size = Size.parse(str(text))
    except InvalidRequest:
        raise bad(f"Invalid size '{text}'.", "size") from None
    reason = model.size_rules.why_not(size) if model.size_rules else None
    if reason is not None:
        raise bad(f"Invalid size '{text}' for {model.name}: {reason}.", "size")
    return size, size


def _auto_size(prompt: str) -> Size:
    words = set(prompt.lower().replace(",", " ").split())
    return next((size for names, size in _AUTO_SHAPES if words & set(names)), _AUTO_SIZE)


def _quality(model: Model, fields: Mapping[str, Any]) -> str:
    quality = choice(fields, "quality", "auto", model.qualities)
    # Measured through a gateway: what is asked as auto is made, billed and echoed as low.
    return "low" if quality == "auto" else quality


def _usage(model: Model, asked: _Asked) -> tuple[Usage, list[Size]]:
    text = tokens.count_text(asked.prompt) + tokens.IMAGE_PROMPT_OVERHEAD
    return _with_output(model, asked, text, 0), []


def _edit_usage(model: Model, asked: _Asked, form: Form) -> tuple[Usage, list[Size]]:
    sizes = [_picture_size(data, i) for i, data in enumerate(form.pictures, 1)]
    if form.mask is not None:
        found = magic.picture(form.mask)
        if found is None or found[0] != "png":
            raise bad("Invalid mask image: it must be a PNG with an alpha channel.", "mask")
        if found[1] != sizes[0]:
            raise bad(
                f"Invalid mask image format - mask size does not match image size "
                f"({found[1]} and {sizes[0]}).",
                "mask",
            )
    # One picture adds one token to a prompt's own overhead (the only measurement).
    text = tokens.count_text(asked.prompt) + tokens.IMAGE_PROMPT_OVERHEAD + len(sizes)
    image = tokens.edit_image_input(model, sizes, asked.fidelity).low
    return _with_output(model, asked, text, image), sizes


def _with_output(model: Model, asked: _Asked, text: int, image: int) -> Usage:
    each = tokens.image_output(model, asked.delivered, asked.quality).low
    partial = tokens.PARTIAL_IMAGE_TOKENS * asked.partial_images
    spoken = 0
    if model.max_text_output:
        # Its reasoning cannot be predicted from outside; here it is a few dozen tokens.
        spoken = min(model.max_text_output, 20 + _hash(asked.prompt) % 60) * asked.n
    return Usage(
        text_input=text,
        image_input=image,
        text_output=spoken,
        image_output=asked.n * (each + partial),
    )


def _picture_size(data: bytes, number: int) -> Size:
    found = magic.picture(data)
    if found is None:
        raise bad(
            f"Invalid image file or mode for image {number}, please check your image file.", "image"
        )
    if len(data) > _MAX_PICTURE_BYTES:
        raise bad(f"Image {number} is larger than 50 MB.", "image", "image_too_large")
    return found[1]


def _draw(asked: _Asked, slot: int, seed: int, form: Form, sizes: list[Size]) -> bytes:
    wanted = draw.Wanted(
        prompt=asked.prompt,
        size=asked.delivered,
        quality=asked.quality,
        seed=seed + slot,
        output_format=asked.output_format,
        compression=asked.compression,
        transparent=asked.background == "transparent",
    )
    if not sizes:
        return draw.picture(wanted)
    try:
        return draw.edited(wanted, form.pictures, form.mask)
    except draw.BadPicture as problem:
        raise bad(f"Invalid image file or mode: {problem}.", "image") from None


def _answer(
    model: Model, asked: _Asked, usage: Usage, made: list[bytes], kind: str, step: float
) -> Answer:
    now = int(time.time())
    common = {
        "background": asked.background,
        "output_format": asked.output_format,
        "quality": asked.quality,
        "size": str(asked.delivered),
    }
    encoded = [base64.b64encode(data).decode() for data in made]
    document = {
        "created": now,
        **common,
        "data": [{"b64_json": text} for text in encoded],
        "usage": usage_document(usage, model),
    }
    answer = Answer(
        model.name, "standard", usage, document, limit_tokens=usage.total_input + usage.image_output
    )
    if not asked.stream:
        return answer
    events: list[dict[str, Any] | Pause] = []
    shares = _shared(usage, asked.n)
    for slot, text in enumerate(encoded):
        for index in range(asked.partial_images):
            draft = draw.draft(made[slot], index, asked.partial_images, asked.output_format)
            events.append(Pause(step))
            events.append(
                {
                    "type": f"{kind}.partial_image",
                    "created_at": now,
                    **common,
                    "partial_image_index": index,
                    "b64_json": base64.b64encode(draft).decode(),
                }
            )
        events.append(Pause(step))
        events.append(
            {
                "type": f"{kind}.completed",
                "created_at": now,
                **common,
                "b64_json": text,
                "usage": usage_document(shares[slot], model),
            }
        )
    answer.events = events
    return answer


def usage_document(usage: Usage, model: Model) -> dict[str, Any]:
    """The Images API's usage object."""
    total_in = usage.text_input + usage.image_input
    total_out = usage.image_output + usage.text_output
    document: dict[str, Any] = {
        "input_tokens": total_in,
        "input_tokens_details": {
            "image_tokens": usage.image_input,
            "text_tokens": usage.text_input,
        },
        "output_tokens": total_out,
        "total_tokens": total_in + total_out,
    }
    if model.max_text_output:
        document["output_tokens_details"] = {
            "image_tokens": usage.image_output,
            "text_tokens": usage.text_output,
        }
    return document


def _shared(usage: Usage, n: int) -> list[Usage]:
    """A call's usage over its pictures: the input on the first, the output evenly."""
    each, spoken = usage.image_output // n, usage.text_output // n
    first = Usage(
        text_input=usage.text_input,
        image_input=usage.image_input,
        text_output=usage.text_output - spoken * (n - 1),
        image_output=usage.image_output - each * (n - 1),
    )
    return [first, *(Usage(text_output=spoken, image_output=each) for _ in range(n - 1))]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
