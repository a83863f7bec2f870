"""What every scene of the embedded provider stands on: canvas, sky, light, ridges.

Coordinates are pixels of a working canvas; `u` is a thousandth of its shorter side, so that a
scene looks alike at every size. Everything random comes from the one generator passed in.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

from playground.provider.offline.palettes import Colour, Palette, mix

Point = tuple[float, float]

# Where the sky has its middle colour, from the top.
_MIDDLE = 0.55


@dataclass
class Canvas:
    """What a scene draws on, and with what."""

    image: Image.Image
    palette: Palette
    chance: random.Random
    detail: int

    def __post_init__(self) -> None:
        self.draw = ImageDraw.Draw(self.image)
        self.width, self.height = self.image.size
        self.u = min(self.image.size) / 1000


def sky(canvas: Canvas) -> None:
    """Fill with the palette's sky, from top to horizon."""
    top, middle, low = canvas.palette.sky
    column = Image.new("RGB", (1, canvas.height))
    last = max(1, canvas.height - 1)
    for y in range(canvas.height):
        share = y / last
        if share < _MIDDLE:
            colour = mix(top, middle, share / _MIDDLE)
        else:
            colour = mix(middle, low, (share - _MIDDLE) / (1 - _MIDDLE))
        column.putpixel((0, y), colour)
    canvas.image.paste(column.resize(canvas.image.size, Image.Resampling.NEAREST))


def stars(canvas: Canvas, count: int) -> None:
    """Scatter stars, more of them high up."""
    chance, top = canvas.chance, canvas.palette.sky[0]
    for _ in range(count):
        x = chance.uniform(0, canvas.width)
        y = canvas.height * chance.random() ** 1.6
        r = canvas.u * chance.choice((0.9, 1.1, 1.1, 1.4, 1.9, 2.8))
        colour = mix(top, (255, 252, 235), chance.uniform(0.45, 1))
        canvas.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def disc(canvas: Canvas) -> None:
    """A sun, or a moon at night."""
    chance, u = canvas.chance, canvas.u
    x = canvas.width * chance.choice((0.24, 0.3, 0.68, 0.76))
    y = canvas.height * chance.uniform(0.2, 0.4)
    r = u * chance.uniform(52, 95)
    colour = canvas.palette.disc
    if canvas.palette.night and chance.random() < 0.6:
        glow(canvas, x, y, r * 3.4, colour, 60)
        _crescent(canvas, x, y, r, colour)
        return
    glow(canvas, x, y, r * 4.5, colour, 110)
    canvas.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _crescent(canvas: Canvas, x: float, y: float, r: float, colour: Colour) -> None:
    """The outer half circle, closed by a flatter curve: the sky shows where the moon is dark."""
    tilt = canvas.chance.uniform(-0.5, 0.5)
    points: list[Point] = []
    for i in range(61):
        angle = math.pi * (i / 60 - 0.5)
        points.append((r * math.cos(angle), r * math.sin(angle)))
    for i in range(60, -1, -1):
        angle = math.pi * (i / 60 - 0.5)
        points.append((r * 0.42 * math.cos(angle), r * math.sin(angle)))
    turned = [
        (
            x + px * math.cos(tilt) - py * math.sin(tilt),
            y + px * math.sin(tilt) + py * math.cos(tilt),
        )
        for px, py in points
    ]
    canvas.draw.polygon(turned, fill=colour)


def glow(canvas: Canvas, x: float, y: float, r: float, colour: Colour, strength: int) -> None:
    """Light that falls off with the square of the distance, and ends in nothing."""
    # The gradient's value is the distance: 180 of 255 where the circle touches its box.
    fall = [round(strength * max(0.0, 1 - i / 180) ** 2.2) for i in range(256)]
    soft = Image.radial_gradient("L").point(fall)
    side = max(2, round(2 * r))
    mask = soft.resize((side, side), Image.Resampling.BILINEAR)
    canvas.image.paste(colour, (round(x - r), round(y - r)), mask)


def clouds(canvas: Canvas) -> None:
    """Soft streaks: drawn small, blurred and enlarged."""
    chance = canvas.chance
    width, height = 256, 96
    small = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(small)
    for _ in range(2 + canvas.detail):
        x, y = chance.uniform(-20, width), chance.uniform(18, 78)
        for _ in range(7):
            w, h = chance.uniform(16, 52), chance.uniform(1.2, 4.5)
            dx, dy = chance.uniform(-28, 28), chance.uniform(-5, 5)
            shade = chance.randint(50, 120)
            draw.ellipse((x + dx - w, y + dy - h, x + dx + w, y + dy + h), fill=shade)
    soft = small.filter(ImageFilter.GaussianBlur(2.2))
    mask = soft.resize((canvas.width, round(canvas.height * 0.5)), Image.Resampling.BILINEAR)
    canvas.image.paste(mix(canvas.palette.sky[2], (255, 255, 255), 0.5), (0, 0), mask)


def noise(chance: random.Random, rough: float, octaves: int) -> Callable[[float], float]:
    """A smooth random curve over 0 to 1, about -1 to 1."""
    parts = [
        (rough**k, 2.0**k * chance.uniform(0.8, 1.4), chance.uniform(0, math.tau))
        for k in range(octaves)
    ]
    whole = sum(size for size, _, _ in parts)
    return lambda t: sum(s * math.sin(f * math.tau * t + p) for s, f, p in parts) / whole


def ridge(
    canvas: Canvas,
    base: float,
    height: float,
    curve: Callable[[float], float],
    colour: Colour,
    steps: int = 120,
) -> list[Point]:
    """Fill below a curve; returns its points."""
    points: list[Point] = []
    for i in range(steps + 1):
        t = i / steps
        points.append((canvas.width * t, canvas.height * (base - height * curve(t))))
    canvas.draw.polygon([*points, (canvas.width, canvas.height), (0, canvas.height)], fill=colour)
    return points


def depth(canvas: Canvas, share: float) -> Colour:
    """Land at a distance: 0 is the horizon, taking on the sky; 1 is the foreground."""
    haze = mix(canvas.palette.far, canvas.palette.sky[2], 0.45 * (1 - share))
    return mix(haze, canvas.palette.near, share**1.25)
