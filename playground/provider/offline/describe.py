"""Words about a photo from its pixels alone: shape, light, contrast, colours, sharpness.

A sample of what a vision model would say, and honest about it: only what was measured is said.
The same photo, prompt, model and seed give the same words; other models choose others.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageFilter, ImageStat, UnidentifiedImageError

from playground.provider.offline.fill import instance
from playground.provider.offline.kept import Kept

_LOOK_PX = 64
_FORMATS = ("JPEG", "PNG", "WEBP")

# Names of plain colours; the nearest in a rough perceptual distance is said.
_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (16, 16, 18),
    "charcoal": (54, 56, 60),
    "grey": (128, 128, 130),
    "silver": (190, 192, 194),
    "white": (245, 245, 243),
    "cream": (240, 228, 200),
    "beige": (214, 196, 160),
    "tan": (190, 150, 105),
    "brown": (110, 72, 42),
    "dark brown": (62, 42, 30),
    "rust": (165, 75, 35),
    "orange": (235, 135, 45),
    "gold": (210, 165, 60),
    "yellow": (240, 215, 70),
    "olive": (120, 118, 55),
    "moss green": (84, 104, 56),
    "green": (60, 145, 70),
    "dark green": (28, 62, 40),
    "mint": (165, 215, 185),
    "teal": (30, 120, 120),
    "turquoise": (75, 190, 190),
    "sky blue": (135, 185, 225),
    "blue": (55, 100, 190),
    "navy": (26, 36, 78),
    "slate blue": (95, 112, 145),
    "lavender": (180, 165, 215),
    "purple": (110, 65, 145),
    "pink": (235, 170, 190),
    "rose": (205, 95, 115),
    "red": (195, 45, 45),
    "dark red": (105, 28, 30),
}


class BadPicture(ValueError):
    """The data is no picture that can be decoded."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was measured; `light`, `contrast`, `saturation` and `detail` run from 0 to 1."""

    width_px: int
    height_px: int
    light: float
    contrast: float
    saturation: float
    detail: float
    warmth: float
    top_brighter: float
    colours: tuple[str, ...]

    @property
    def shape(self) -> str:
        """The frame in a word or two."""
        ratio = self.width_px / self.height_px
        if ratio >= 2:
            return "panoramic"
        if ratio > 1.05:
            return "landscape-format"
        return "square" if ratio >= 0.95 else "portrait-format"

    @property
    def light_words(self) -> str:
        """How bright it is."""
        steps = ((0.2, "dark"), (0.38, "dim"), (0.62, "evenly lit"), (0.8, "bright"))
        return next((word for limit, word in steps if self.light < limit), "very bright")

    @property
    def contrast_words(self) -> str:
        """How strong its contrasts are."""
        steps = ((0.1, "hardly any contrast"), (0.19, "soft contrast"), (0.27, "clear contrast"))
        return next((word for limit, word in steps if self.contrast < limit), "strong contrast")

    @property
    def sharpness_words(self) -> str:
        """How much fine detail there is."""
        steps = ((0.05, "smooth, soft areas"), (0.11, "moderate detail"), (0.2, "crisp detail"))
        return next((word for limit, word in steps if self.detail < limit), "dense fine detail")

    @property
    def tone_words(self) -> str:
        """Warm, cool or neither."""
        if self.saturation < 0.08:
            return "almost colourless"
        return "warm" if self.warmth > 0.05 else "cool" if self.warmth < -0.05 else "balanced"


_looks: Kept[Look] = Kept(4096)


def say(photo: bytes, prompt: str, schema: Mapping[str, Any] | None, model: str, seed: int) -> str:
    """The answer about a photo: prose, alt text, tags, a transcript, or JSON by the schema.

    Raises:
        BadPicture: when the photo cannot be decoded.
    """
    look = _look(photo)
    chance = random.Random(f"{seed}/{model}/{prompt}/{look}")  # noqa: S311  words, not secrets
    if schema is not None:
        return json.dumps(instance(schema, facts(look)), ensure_ascii=False)
    asked = prompt.lower()
    if "transcribe" in asked or "ocr" in asked:
        return ""
    if "alt text" in asked:
        return _alt(look, chance)
    if "tags" in asked:
        return ", ".join(tags(look))
    return _prose(look, chance)


def facts(look: Look) -> dict[str, Any]:
    """What can fill a schema's fields, by the names that such fields usually have."""
    main = look.colours[0]
    return {
        "alt": _alt(look, random.Random(0)),  # noqa: S311
        "caption": f"A {look.light_words} {look.shape} picture in {main}",
        "category": f"{look.shape} photo",
        "color": main,
        "colors": list(look.colours),
        "condition": look.sharpness_words,
        "contrast": look.contrast_words,
        "count": len(look.colours),
        "description": _prose(look, random.Random(0)),  # noqa: S311
        "height": look.height_px,
        "keywords": list(tags(look)),
        "light": look.light_words,
        "materials": [],
        "mood": look.tone_words,
        "orientation": look.shape,
        "sharpness": look.sharpness_words,
        "style": f"{look.tone_words}, {look.contrast_words}",
        "tags": list(tags(look)),
        "text": "",
        "title": f"{look.shape} in {main}".capitalize(),
        "width": look.width_px,
    }


def tags(look: Look) -> tuple[str, ...]:
    """Five to twelve short tags, the most specific first."""
    found = [*look.colours, look.shape, look.light_words, look.tone_words]
    found += [look.contrast_words, look.sharpness_words]
    return tuple(dict.fromkeys(tag.replace(", ", " ") for tag in found))[:12]


def _look(photo: bytes) -> Look:
    # By its hash: the photos themselves would fill the memory.
    return _looks.get(hashlib.sha256(photo).digest(), lambda: measure(photo))


def measure(photo: bytes) -> Look:
    """Decode a photo as small as its format allows and measure it.

    Raises:
        BadPicture: when that fails.
    """
    try:
        with Image.open(io.BytesIO(photo), formats=_FORMATS) as opened:
            width, height = opened.size
            opened.draft("RGB", (_LOOK_PX * 2, _LOOK_PX * 2))
            small = _on_white(opened, (_LOOK_PX, _LOOK_PX))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as problem:
        raise BadPicture(str(problem)[:120]) from None
    grey = small.convert("L")
    stat, colour = ImageStat.Stat(grey), ImageStat.Stat(small)
    red, _, blue = colour.mean
    edges = ImageStat.Stat(grey.filter(ImageFilter.FIND_EDGES).crop((1, 1, 63, 63)))
    top = ImageStat.Stat(grey.crop((0, 0, _LOOK_PX, _LOOK_PX // 3))).mean[0]
    return Look(
        width_px=width,
        height_px=height,
        light=stat.mean[0] / 255,
        contrast=stat.stddev[0] / 255,
        saturation=ImageStat.Stat(small.convert("HSV")).mean[1] / 255,
        detail=edges.mean[0] / 255,
        warmth=(red - blue) / 255,
        top_brighter=(top - stat.mean[0]) / 255,
        colours=_colours(small),
    )


def _on_white(opened: Image.Image, size: tuple[int, int]) -> Image.Image:
    if opened.mode in {"RGBA", "LA", "PA"} or "transparency" in opened.info:
        layer = opened.convert("RGBA").resize(size, Image.Resampling.BOX)
        ground = Image.new("RGBA", size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return opened.convert("RGB").resize(size, Image.Resampling.BOX)


def _colours(small: Image.Image) -> tuple[str, ...]:
    """The names of the most common colours, at most four."""
    few = small.resize((32, 32), Image.Resampling.BOX).quantize(8, Image.Quantize.FASTOCTREE)
    palette = few.getpalette() or []
    counts: dict[str, int] = {}
    for count, index in sorted(few.getcolors() or [], reverse=True):
        assert isinstance(index, int)
        red, green, blue = palette[3 * index : 3 * index + 3]
        name = _name(red, green, blue)
        counts[name] = counts.get(name, 0) + count
    most = sorted(counts, key=lambda name: -counts[name])
    return tuple(name for name in most if counts[name] >= 40)[:4] or tuple(most[:1])


def _name(red: int, green: int, blue: int) -> str:
    def distance(name: str) -> int:
        r, g, b = _COLOURS[name]
        return 2 * (red - r) ** 2 + 4 * (green - g) ** 2 + 3 * (blue - b) ** 2

    return min(_COLOURS, key=distance)


def _listed(words: tuple[str, ...]) -> str:
    if len(words) < 2:
        return words[0] if words else "grey"
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _alt(look: Look, chance: random.Random) -> str:
    colours = _listed(look.colours[:2])
    first = chance.choice(("Scene", "View", "Composition"))
    return f"{first} in {colours}, {look.light_words}, with {look.sharpness_words}."


def _prose(look: Look, chance: random.Random) -> str:
    colours = _listed(look.colours[:3])
    opening = chance.choice(
        (
            f"A {look.light_words} {look.shape} picture dominated by {colours}.",
            f"This {look.shape} picture is {look.light_words} and built mostly from {colours}.",
            f"{colours[0].upper()}{colours[1:]} set the tone of this {look.shape} picture, which "
            f"is {look.light_words}.",
        )
    )
    middle = chance.choice(
        (
            f"It shows {look.contrast_words} and {look.sharpness_words}, and its overall mood is "
            f"{look.tone_words}.",
            f"The palette feels {look.tone_words}; there is {look.contrast_words} and "
            f"{look.sharpness_words}.",
        )
    )
    if look.top_brighter > 0.08:
        ending = "The upper third is brighter than the rest, as under an open sky."
    elif look.top_brighter < -0.08:
        ending = "The upper third is darker than the rest, which draws the eye down."
    else:
        ending = chance.choice(
            (
                "Light is spread evenly from top to bottom.",
                "No part of the frame stands out by its brightness alone.",
            )
        )
    return f"{opening} {middle} {ending}"
