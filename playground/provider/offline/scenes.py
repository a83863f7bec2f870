"""The embedded provider's pictures: layered landscapes and shapes, drawn with few strokes."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageDraw

from playground.provider.offline.canvas import (
    Canvas,
    Point,
    clouds,
    depth,
    disc,
    glow,
    noise,
    ridge,
    sky,
    stars,
)
from playground.provider.offline.palettes import Colour, mix


def paint(scene: str, canvas: Canvas) -> None:
    """Draw a scene over the whole canvas."""
    if scene == "shapes":
        _shapes(canvas)
        return
    sky(canvas)
    if canvas.palette.night or scene == "space":
        stars(canvas, 60 + 50 * canvas.detail)
    if scene != "space":
        disc(canvas)
        if not canvas.palette.night:
            clouds(canvas)
    _SCENES[scene](canvas)


def _mountains(canvas: Canvas) -> None:
    chance = canvas.chance
    layers = 4 + canvas.detail
    for k in range(layers):
        share = k / (layers - 1)
        smooth = noise(chance, 0.55, 6)

        def peaks(t: float, smooth: Callable[[float], float] = smooth) -> float:
            return 1 - 2.1 * abs(smooth(t))

        height = 0.2 * (1 - 0.55 * share)
        colour = depth(canvas, share)
        points = ridge(
            canvas, 0.6 + 0.34 * share, height, peaks if share < 0.75 else smooth, colour, 200
        )
        if k < 2 and not canvas.palette.night:
            _snow(canvas, points, mix(colour, (255, 255, 255), 0.62))
    _pines(canvas, 0.98, 14 + 8 * canvas.detail, canvas.palette.near)


def _snow(canvas: Canvas, points: list[Point], colour: Colour) -> None:
    """White on what rises above the upper quarter of a ridge, with a soft lower edge."""
    heights = sorted(y for _, y in points)
    line = heights[len(heights) // 5]
    cap: list[Point] = []
    for x, y in [*points, (canvas.width + 1.0, line)]:
        if y < line:
            cap.append((x, y))
        elif cap:
            _cap(canvas, cap, line, colour)
            cap = []


def _cap(canvas: Canvas, cap: list[Point], line: float, colour: Colour) -> None:
    if len(cap) < 4:
        return
    edge = []
    for i, (x, y) in enumerate(reversed(cap)):
        depth = (line - y) * (0.58 + 0.16 * math.sin(i * 1.35))
        edge.append((x, y + depth))
    canvas.draw.polygon([*cap, *edge], fill=colour)


def _dunes(canvas: Canvas) -> None:
    chance = canvas.chance
    layers = 4 + canvas.detail
    for k in range(layers):
        share = k / (layers - 1)
        curve = noise(chance, 0.32, 3)
        colour = mix(canvas.palette.far, canvas.palette.near, 0.08 + 0.62 * share)
        light = mix(colour, canvas.palette.disc, 0.34)
        crest = ridge(canvas, 0.58 + 0.34 * share, 0.09 + 0.03 * share, curve, light, 100)
        # The lee side: from the crest down, drifting to one side.
        drift = canvas.width * chance.uniform(0.1, 0.22)
        deep = canvas.height * (0.1 + 0.14 * share)
        lee = [
            (x + drift * (i / len(crest)), y + deep * (0.35 + 0.65 * abs(math.sin(i / 17 + k))))
            for i, (x, y) in enumerate(crest)
        ]
        canvas.draw.polygon([*crest, *reversed(lee)], fill=colour)


def _sea(canvas: Canvas) -> None:
    chance, palette = canvas.chance, canvas.palette
    horizon = canvas.height * 0.55
    canvas.draw.rectangle(
        (0, horizon, canvas.width, canvas.height), fill=mix(palette.far, palette.sky[2], 0.25)
    )
    layers = 6 + 2 * canvas.detail
    for k in range(layers):
        share = k / (layers - 1)
        phase, waves = chance.uniform(0, math.tau), 13 - 9 * share
        colour = mix(mix(palette.far, palette.sky[1], 0.3), palette.near, share)

        def crest(t: float, phase: float = phase, waves: float = waves) -> float:
            return 1 - 2 * math.pow(abs(math.sin(math.pi * waves * t + phase)), 0.7)

        points = ridge(canvas, 0.57 + 0.42 * share**1.3, 0.008 + 0.026 * share, crest, colour, 240)
        canvas.draw.line(
            points,
            fill=mix(colour, (255, 255, 255), 0.3),
            width=max(1, round(canvas.u * (1 + 3 * share))),
        )
    _boat(canvas, canvas.width * chance.uniform(0.25, 0.7), canvas.height * 0.6)


def _boat(canvas: Canvas, x: float, y: float) -> None:
    u, palette = canvas.u, canvas.palette
    hull = [(x - 46 * u, y), (x + 46 * u, y), (x + 30 * u, y + 20 * u), (x - 30 * u, y + 20 * u)]
    canvas.draw.polygon(hull, fill=palette.near)
    canvas.draw.polygon(
        [(x - 3 * u, y - 6 * u), (x - 3 * u, y - 104 * u), (x + 48 * u, y - 6 * u)],
        fill=mix(palette.disc, palette.accent, 0.12),
    )
    canvas.draw.polygon(
        [(x - 8 * u, y - 6 * u), (x - 8 * u, y - 84 * u), (x - 40 * u, y - 6 * u)],
        fill=palette.accent,
    )


def _forest(canvas: Canvas) -> None:
    chance = canvas.chance
    layers = 4 + canvas.detail
    for k in range(layers):
        share = k / (layers - 1)
        curve = noise(chance, 0.4, 4)
        colour = depth(canvas, share)
        points = ridge(canvas, 0.6 + 0.36 * share, 0.06, curve, colour, 80)
        size = 40 + 105 * share
        for _ in range(30 - 3 * k):
            x, y = points[chance.randrange(len(points))]
            _pine(
                canvas,
                x + chance.uniform(-9, 9) * canvas.u,
                y + 6 * canvas.u,
                size * chance.uniform(0.6, 1.15),
                colour,
            )


def _pines(canvas: Canvas, base: float, count: int, colour: Colour) -> None:
    for _ in range(count):
        x = canvas.chance.uniform(0, canvas.width)
        _pine(
            canvas,
            x,
            canvas.height * (base + canvas.chance.uniform(0, 0.03)),
            canvas.chance.uniform(60, 150),
            colour,
        )


def _pine(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    h, w = size * canvas.u, size * canvas.u * 0.2
    outline: list[Point] = [(x, y - h)]
    for k in range(1, 5):
        level, reach = y - h + h * 0.23 * k, w * (0.35 + 0.17 * k)
        outline += [(x + reach, level), (x + reach * 0.5, level)]
    mirrored = [(2 * x - px, py) for px, py in reversed(outline[1:])]
    trunk = [(x + w * 0.12, y), (x - w * 0.12, y)]
    canvas.draw.polygon([*outline, *trunk, *mirrored], fill=colour)


def _city(canvas: Canvas) -> None:
    chance, palette, u = canvas.chance, canvas.palette, canvas.u
    layers = 3 + canvas.detail // 2
    ground = canvas.height
    for k in range(layers):
        share = k / (layers - 1)
        colour = depth(canvas, 0.15 + 0.85 * share)
        lit = mix(palette.accent, (255, 240, 190), 0.45)
        x = -chance.uniform(0, 40) * u
        while x < canvas.width:
            w = chance.uniform(52, 120) * u * (0.7 + 0.5 * share)
            tall = chance.uniform(0.16, 0.46) * (1.12 - 0.45 * share)
            top = canvas.height * (0.94 + 0.04 * share - tall - 0.12 * (1 - share))
            canvas.draw.rectangle((x, top, x + w, ground), fill=colour)
            _roof(canvas, x, top, w, colour)
            if share > 0.3:
                _windows(canvas, (x, top, x + w), lit, mix(colour, palette.sky[1], 0.16))
            x += w + chance.choice((0, 0, 3, 12)) * u
    canvas.draw.rectangle(
        (0, canvas.height * 0.97, canvas.width, ground), fill=mix(palette.near, (0, 0, 0), 0.3)
    )


def _roof(canvas: Canvas, x: float, top: float, w: float, colour: Colour) -> None:
    kind, u = canvas.chance.randrange(5), canvas.u
    if kind == 0:
        canvas.draw.polygon([(x, top), (x + w / 2, top - w * 0.6), (x + w, top)], fill=colour)
    elif kind == 1:
        canvas.draw.rectangle((x + w * 0.25, top - 18 * u, x + w * 0.75, top), fill=colour)
    elif kind == 2:
        canvas.draw.rectangle((x + w * 0.47, top - 60 * u, x + w * 0.53, top), fill=colour)
    elif kind == 3:
        canvas.draw.pieslice((x, top - w / 2, x + w, top + w / 2), 180, 360, fill=colour)


def _windows(canvas: Canvas, box: tuple[float, float, float], lit: Colour, dark: Colour) -> None:
    x0, y0, x1 = box
    step, side = 19 * canvas.u, 9 * canvas.u
    rows, columns = int((canvas.height - y0) / step), int((x1 - x0) / step)
    for row in range(1, rows):
        for column in range(columns):
            if canvas.chance.random() < 0.55:
                continue
            x, y = x0 + step * (column + 0.35), y0 + step * row
            colour = lit if canvas.chance.random() < 0.55 else dark
            canvas.draw.rectangle((x, y, x + side, y + side * 1.25), fill=colour)


def _flowers(canvas: Canvas) -> None:
    chance, palette, u = canvas.chance, canvas.palette, canvas.u
    for k in range(3):
        ridge(canvas, 0.62 + 0.14 * k, 0.05, noise(chance, 0.4, 3), depth(canvas, k / 3), 60)
    petals = [
        palette.accent,
        mix(palette.accent, palette.disc, 0.5),
        mix(palette.accent, palette.near, 0.25),
        palette.disc,
    ]
    count = 26 + 12 * canvas.detail
    for k in range(count):
        share = (k + 0.5) / count
        x = chance.uniform(-0.02, 1.02) * canvas.width
        foot = canvas.height * (0.72 + 0.36 * share)
        head = foot - u * (110 + 190 * share) * chance.uniform(0.7, 1.2)
        bend = chance.uniform(-30, 30) * u
        stem = mix(depth(canvas, 0.35 + 0.6 * share), (70, 130, 70), 0.25)
        canvas.draw.line(
            [(x, foot), (x + bend * 0.3, (foot + head) / 2), (x + bend, head)],
            fill=stem,
            width=max(1, round(u * (2 + 4 * share))),
        )
        _bloom(
            canvas,
            (x + bend, head),
            u * (13 + 30 * share),
            chance.choice(petals),
            chance.randrange(5, 9),
        )


def _bloom(canvas: Canvas, at: Point, r: float, colour: Colour, petals: int) -> None:
    x, y = at
    turn = canvas.chance.uniform(0, math.tau)
    for k in range(petals):
        angle = turn + math.tau * k / petals
        px, py = x + r * 0.7 * math.cos(angle), y + r * 0.7 * math.sin(angle) * 0.85
        canvas.draw.ellipse(
            (px - r * 0.48, py - r * 0.42, px + r * 0.48, py + r * 0.42),
            fill=mix(colour, canvas.palette.near, 0.14 * (k % 2)),
        )
    heart = mix(canvas.palette.disc, (240, 180, 60), 0.6)
    canvas.draw.ellipse((x - r * 0.34, y - r * 0.3, x + r * 0.34, y + r * 0.3), fill=heart)


def _space(canvas: Canvas) -> None:
    chance, palette, u = canvas.chance, canvas.palette, canvas.u
    x, y = canvas.width * chance.uniform(0.36, 0.64), canvas.height * chance.uniform(0.4, 0.56)
    r = u * chance.uniform(190, 270)
    glow(canvas, x, y, r * 2.4, palette.accent, 80)
    tilt = chance.uniform(0.2, 0.34)
    ring = chance.random() < 0.75
    if ring:
        _rings(canvas, (x, y), r, tilt, 180, 360)
    _planet(canvas, x, y, r)
    if ring:
        _rings(canvas, (x, y), r, tilt, 0, 180)
    for _ in range(1 + canvas.detail // 2):
        mr = u * chance.uniform(16, 44)
        mx, my = (
            canvas.width * chance.uniform(0.06, 0.94),
            canvas.height * chance.uniform(0.08, 0.9),
        )
        if math.hypot(mx - x, my - y) > r * 1.9:
            canvas.draw.ellipse(
                (mx - mr, my - mr, mx + mr, my + mr), fill=mix(palette.disc, palette.far, 0.3)
            )


def _planet(canvas: Canvas, x: float, y: float, r: float) -> None:
    """A banded ball, lit from one side."""
    palette, chance = canvas.palette, canvas.chance
    side = max(2, round(2 * r))
    patch = Image.new("RGB", (side, side), mix(palette.accent, palette.near, 0.15))
    draw = ImageDraw.Draw(patch)
    bands = 6 + 2 * canvas.detail
    edge = 0.0
    for k in range(bands):
        wide = side / bands * chance.uniform(0.6, 1.4)
        other = (palette.disc, palette.far, palette.sky[2], palette.near)[k % 4]
        draw.rectangle(
            (0, edge, side, edge + wide), fill=mix(palette.accent, other, chance.uniform(0.15, 0.6))
        )
        edge += wide
    shade = (
        Image.radial_gradient("L")
        .resize((side * 2, side * 2))
        .crop((side * 3 // 5, side * 3 // 5, side * 8 // 5, side * 8 // 5))
    )
    patch.paste(
        mix(palette.near, (0, 0, 0), 0.4), mask=shade.point([max(0, i - 40) for i in range(256)])
    )
    disc = Image.new("L", (side, side), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, side - 1, side - 1), fill=255)
    canvas.image.paste(patch, (round(x - r), round(y - r)), disc)


def _rings(canvas: Canvas, at: Point, r: float, tilt: float, start: int, end: int) -> None:
    x, y = at
    for k in range(4):
        wide = r * (1.42 + 0.13 * k)
        colour = mix(canvas.palette.disc, canvas.palette.far, 0.2 + 0.18 * k)
        canvas.draw.arc(
            (x - wide, y - wide * tilt, x + wide, y + wide * tilt),
            start,
            end,
            fill=colour,
            width=max(1, round(canvas.u * 9)),
        )


def _shapes(canvas: Canvas) -> None:
    chance, palette = canvas.chance, canvas.palette
    colours = [*palette.sky, palette.accent, palette.near, palette.disc, palette.far]
    across = chance.choice((4, 5, 6))
    cell = canvas.width / across
    down = math.ceil(canvas.height / cell)
    for row in range(down):
        for column in range(across):
            ground, figure, third = chance.sample(colours, 3)
            box = (column * cell, row * cell, (column + 1) * cell, (row + 1) * cell)
            canvas.draw.rectangle(box, fill=ground)
            _tile(canvas, box, cell, figure, third)


def _tile(
    canvas: Canvas,
    box: tuple[float, float, float, float],
    cell: float,
    figure: Colour,
    third: Colour,
) -> None:
    x0, y0, x1, y1 = box
    kind = canvas.chance.randrange(6)
    draw = canvas.draw
    if kind == 0:
        corner = canvas.chance.randrange(4)
        cx, cy = (x0, x1)[corner % 2], (y0, y1)[corner // 2]
        for k, colour in ((1.0, figure), (0.62, third)):
            start = {0: 0, 1: 90, 2: 270, 3: 180}[corner]
            draw.pieslice(
                (cx - cell * k, cy - cell * k, cx + cell * k, cy + cell * k),
                start,
                start + 90,
                fill=colour,
            )
    elif kind == 1:
        inset = cell * 0.12
        draw.ellipse((x0 + inset, y0 + inset, x1 - inset, y1 - inset), fill=figure)
        inset = cell * 0.32
        draw.ellipse((x0 + inset, y0 + inset, x1 - inset, y1 - inset), fill=third)
    elif kind == 2:
        points = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        gone = canvas.chance.randrange(4)
        draw.polygon([p for i, p in enumerate(points) if i != gone], fill=figure)
    elif kind == 3:
        for k in range(0, 5, 2):
            draw.rectangle((x0, y0 + cell * k / 5, x1, y0 + cell * (k + 1) / 5), fill=figure)
    elif kind == 4:
        draw.pieslice((x0, y0 - cell / 2, x1, y0 + cell / 2), 0, 180, fill=figure)
        draw.pieslice((x0, y1 - cell / 2, x1, y1 + cell / 2), 180, 360, fill=third)
    else:
        middle = (x0 + cell / 2, y0 + cell / 2)
        draw.polygon(
            [(middle[0], y0), (x1, middle[1]), (middle[0], y1), (x0, middle[1])], fill=figure
        )


_SCENES: dict[str, Callable[[Canvas], None]] = {
    "city": _city,
    "dunes": _dunes,
    "flowers": _flowers,
    "forest": _forest,
    "mountains": _mountains,
    "sea": _sea,
    "space": _space,
}
