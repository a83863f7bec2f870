"""Pictures without a model: the same prompt, seed, size and quality give the same picture.

Drawn small and scaled, because that is fast at any size; marked SAMPLE in a corner, because
nobody should take them for a model's work.
"""

from __future__ import annotations

import hashlib
import io
import math
import random
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache

from PIL import (
    Image,
    ImageChops,
    ImageDraw,
    ImageEnhance,
    ImageFilter,
    ImageFont,
    ImageOps,
    UnidentifiedImageError,
)

from playground.provider.magic import PNG
from playground.provider.offline.canvas import Canvas
from playground.provider.offline.kept import Kept
from playground.provider.offline.palettes import Palette, palette_of, scene_of, words_of
from playground.provider.offline.scenes import paint
from playground.size import Size

_WORK_PIXELS = 1_500_000
_SMOOTHING = 1.35
_DETAIL = {"low": 1, "medium": 2, "high": 3, "xhigh": 4, "max": 5}
_FORMATS = ("JPEG", "PNG", "WEBP")
# Some thirty pictures: it draws in the page's own kernel, whose memory has to stay flat.
_CACHE_BYTES = 4 * 2**20
_RESAMPLE = Image.Resampling.BILINEAR


class BadPicture(ValueError):
    """An input picture that cannot be decoded."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What picture is asked for."""

    prompt: str
    size: Size
    quality: str = "low"
    seed: int = 0
    output_format: str = "png"
    compression: int = 100
    transparent: bool = False


_pictures: Kept[bytes] = Kept(_CACHE_BYTES, len)


def picture(wanted: Wanted) -> bytes:
    """The encoded picture of a prompt."""
    return _pictures.get(wanted, lambda: _encode(_drawn(wanted), wanted))


def edited(wanted: Wanted, pictures: list[bytes], mask: bytes | None) -> bytes:
    """The first picture, changed as the prompt's words suggest; further ones are laid in.

    With a mask, only where it is transparent is anything drawn anew.

    Raises:
        BadPicture: when an input cannot be decoded.
    """
    parts = [hashlib.sha256(data).digest() for data in (*pictures, mask or b"")]
    return _pictures.get((wanted, *parts), lambda: _encode(_edit(wanted, pictures, mask), wanted))


def draft(final: bytes, index: int, count: int, output_format: str) -> bytes:
    """A blurred early stage of a finished picture: the fewer steps are left, the sharper."""
    with Image.open(io.BytesIO(final), formats=_FORMATS) as opened:
        image = opened.convert("RGB")
    coarse = 2 ** (count - index + 2)
    small = (max(1, image.width // coarse), max(1, image.height // coarse))
    half = (max(1, image.width // 2), max(1, image.height // 2))
    blurred = image.resize(small, Image.Resampling.BOX).resize(half, Image.Resampling.BICUBIC)
    return _bytes(blurred, output_format, 100)


def _chance(wanted: Wanted) -> random.Random:
    key = f"{wanted.seed}/{wanted.prompt}/{wanted.quality}/{wanted.size}"
    return random.Random(key)  # noqa: S311  pictures, not secrets


def _drawn(wanted: Wanted) -> Image.Image:
    image = _scene(wanted)
    _sign(image)
    if wanted.transparent:
        image.putalpha(_medallion(image.size, wanted))
    return image


def _scene(wanted: Wanted) -> Image.Image:
    chance, words = _chance(wanted), words_of(wanted.prompt)
    width, height = wanted.size.width_px, wanted.size.height_px
    scale = min(_SMOOTHING, math.sqrt(_WORK_PIXELS / wanted.size.pixels))
    work = Image.new("RGB", (max(1, round(width * scale)), max(1, round(height * scale))))
    scene = scene_of(words, chance)
    canvas = Canvas(work, palette_of(words, chance), chance, _DETAIL.get(wanted.quality, 1))
    paint(scene, canvas)
    return work.resize((width, height), _RESAMPLE)


def _medallion(size: tuple[int, int], wanted: Wanted) -> Image.Image:
    """Opacity of a sticker: a rounded shape with nothing around it."""
    width, height = size
    small = Image.new("L", (width // 2, height // 2), 0)
    edge = min(small.size) * 0.04
    box = (edge, edge, small.width - edge, small.height - edge)
    draw = ImageDraw.Draw(small)
    if len(wanted.prompt) % 2:
        draw.ellipse(box, fill=255)
    else:
        draw.rounded_rectangle(box, radius=min(small.size) * 0.22, fill=255)
    return small.resize(size, _RESAMPLE)


@lru_cache(maxsize=64)
def _mark(height: int) -> Image.Image:
    """The word SAMPLE as opacity, on a pill."""
    font = ImageFont.load_default(size=height)
    left, top, right, bottom = font.getbbox("SAMPLE")
    pad = height * 0.6
    size = (math.ceil(right - left + 2 * pad), math.ceil(bottom - top + pad * 1.3))
    image = Image.new("L", size, 0)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=size[1] / 2, fill=88)
    draw.text((pad - left, pad * 0.65 - top), "SAMPLE", fill=255, font=font)
    return image


def _sign(image: Image.Image) -> None:
    height = max(8, round(min(image.size) * 0.017))
    mark = _mark(height)
    x = image.width - mark.width - height
    y = image.height - mark.height - height
    patch = image.crop((x, y, x + mark.width, y + mark.height))
    dark = Image.new("RGB", patch.size, (20, 22, 30))
    patch.paste(dark, mask=mark.point(lambda value: 120 if value else 0))
    patch.paste((255, 255, 255), mask=mark.point(lambda value: 215 if value > 128 else 0))
    image.paste(patch, (x, y))


def _edit(wanted: Wanted, pictures: list[bytes], mask: bytes | None) -> Image.Image:
    size = (wanted.size.width_px, wanted.size.height_px)
    first, *others = (_decoded(data) for data in pictures)
    ground = ImageOps.fit(first, size, _RESAMPLE)
    chance, words = _chance(wanted), words_of(wanted.prompt)
    palette = palette_of(words, chance)
    if mask is None:
        image = _changed(ground, words, palette, wanted)
    else:
        with Image.open(io.BytesIO(mask), formats=("PNG",)) as opened:
            alpha = opened.convert("RGBA").getchannel("A")
        free = ImageOps.fit(ImageOps.invert(alpha), size, _RESAMPLE)
        soft = free.filter(ImageFilter.GaussianBlur(max(1, min(size) // 200)))
        # Softened inwards only: what the mask protects stays exactly as it was.
        image = Image.composite(_scene(wanted), ground, ImageChops.darker(free, soft))
    _lay_in(image, others)
    _sign(image)
    if wanted.transparent:
        image.putalpha(_medallion(image.size, wanted))
    return image


def _decoded(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > 64_000_000:
                msg = "it is too large"
                raise BadPicture(msg)
            return opened.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError) as problem:
        raise BadPicture(str(problem)[:120]) from None


def _changed(
    ground: Image.Image, words: tuple[str, ...], palette: Palette, wanted: Wanted
) -> Image.Image:
    """The effect that the prompt's words name, else a duotone in the prompt's colours."""
    asked = set(words)
    if asked & {"sketch", "pencil", "drawing", "line", "ink"}:
        lines = ImageOps.invert(ground.convert("L").filter(ImageFilter.FIND_EDGES))
        return ImageOps.colorize(
            ImageOps.autocontrast(lines, cutoff=2), palette.near, (250, 248, 240)
        )
    if asked & {"monochrome", "grayscale", "greyscale", "noir", "black"}:
        return ImageOps.autocontrast(ground.convert("L"), cutoff=1).convert("RGB")
    if asked & {"pixel", "pixelated", "mosaic", "lego"}:
        few = (max(1, ground.width // 16), max(1, ground.height // 16))
        return ground.resize(few, Image.Resampling.BOX).resize(
            ground.size, Image.Resampling.NEAREST
        )
    if asked & {"night", "midnight", "dark", "moon", "moonlit", "stars"}:
        dim = ImageChops.multiply(ground, Image.new("RGB", ground.size, (70, 88, 150)))
        return _dotted(dim, wanted, 120, 0.3, (255, 252, 230))
    if asked & {"snow", "winter", "snowy", "ice", "frozen"}:
        cold = Image.blend(
            ImageEnhance.Color(ground).enhance(0.35),
            Image.new("RGB", ground.size, (226, 238, 250)),
            0.3,
        )
        return _dotted(cold, wanted, 420, 1.0, (255, 255, 255))
    if asked & {"poster", "cartoon", "pop", "vivid", "colourful", "colorful"}:
        return ImageEnhance.Color(ImageOps.posterize(ground, 3)).enhance(1.8)
    toned = ImageOps.colorize(ground.convert("L"), palette.near, palette.sky[2], palette.accent)
    return Image.blend(ground, toned, 0.62)


def _dotted(
    image: Image.Image, wanted: Wanted, count: int, depth: float, colour: tuple[int, int, int]
) -> Image.Image:
    draw, chance = ImageDraw.Draw(image), _chance(wanted)
    unit = min(image.size) / 1000
    for _ in range(count):
        x, y = chance.uniform(0, image.width), chance.uniform(0, image.height * depth)
        r = unit * chance.choice((1.0, 1.4, 2.0, 3.4))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    return image


def _lay_in(image: Image.Image, others: list[Image.Image]) -> None:
    """Further input pictures as a row of small framed prints."""
    side = min(image.size) // 5
    gap = max(4, side // 12)
    for k, other in enumerate(others):
        x, y = gap + k * (side + gap), image.height - side - gap
        if x + side > image.width:
            return
        print_ = ImageOps.expand(ImageOps.fit(other, (side, side), _RESAMPLE), gap // 2, "white")
        image.paste(print_, (x, y - gap))


def _encode(image: Image.Image, wanted: Wanted) -> bytes:
    return _bytes(image, wanted.output_format, wanted.compression)


def _bytes(image: Image.Image, output_format: str, compression: int) -> bytes:
    buffer = io.BytesIO()
    if output_format == "jpeg":
        image.convert("RGB").save(buffer, "JPEG", quality=min(95, max(1, compression)))
    elif output_format == "webp":
        image.save(buffer, "WEBP", quality=min(90, max(1, compression)), method=0)
    else:
        return _png(image)
    return buffer.getvalue()


def _png(image: Image.Image) -> bytes:
    """A PNG whose rows are differences to the row above.

    Pillow tries all filters on every row; these pictures are skies and silhouettes, for which
    this one is right, and a third of the time.
    """
    if image.mode not in {"RGB", "RGBA"}:
        image = image.convert("RGB")
    above = Image.new(image.mode, image.size)
    above.paste(image, (0, 1))
    if image.mode == "RGBA":
        # `paste` and `subtract_modulo` work per channel; only the first row differs from itself.
        bands = zip(image.split(), above.split(), strict=True)
        rows = Image.merge("RGBA", [ImageChops.subtract_modulo(a, b) for a, b in bands]).tobytes()
    else:
        rows = ImageChops.subtract_modulo(image, above).tobytes()
    width = len(rows) // image.height
    filtered = b"".join(b"\x02" + rows[at : at + width] for at in range(0, len(rows), width))
    colour = 6 if image.mode == "RGBA" else 2
    head = struct.pack(">IIBBBBB", image.width, image.height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(filtered, 1)), (b"IEND", b""))
    return PNG + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
