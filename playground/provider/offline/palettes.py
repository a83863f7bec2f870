"""Which colours and which scene a prompt gets: words first, else its hash."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a scene: sky from top to horizon, land from far to near, one accent, a disc."""

    name: str
    sky: tuple[Colour, Colour, Colour]
    far: Colour
    near: Colour
    accent: Colour
    disc: Colour
    night: bool = False


def _rgb(text: str) -> Colour:
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _palette(name: str, colours: str, *, night: bool = False) -> Palette:
    top, middle, low, far, near, accent, disc = map(_rgb, colours.split())
    return Palette(name, (top, middle, low), far, near, accent, disc, night)


PALETTES = {
    palette.name: palette
    for palette in (
        _palette("dawn", "4a5d8f d99a9e ffdcb0 b58a9c 33304f f2a65a fff0d0"),
        _palette("dusk", "2b2a57 b0486f ffae66 8a4b75 1d1a38 ff7b54 ffd9a0"),
        _palette("noon", "3f8fd0 8fc7ea e8f5f5 8fb3bf 2c5a4c f4c95d fffbe6"),
        _palette("night", "070b22 15224f 33508a 2a3b6c 060a1c 9fd0ff f4f1dc", night=True),
        _palette("aurora", "06131f 0d3b47 3f9a86 1f5660 050f18 8df0c0 e9fff0", night=True),
        _palette("desert", "e0a566 f3cf9a fbecc9 d99c6a 6d3427 c94f2d fff4dc"),
        _palette("ice", "8fb8d8 c9dfee f7fafb a9c4d8 3a5a78 5fb0c9 ffffff"),
        _palette("autumn", "c98f4e e9c184 f8e8c6 b8793f 4a2418 c8432b fff1cf"),
        _palette("spring", "9bcbe0 d5ead5 fff4d9 9cc49a 2f6b4a e77a9b fffbe9"),
        _palette("candy", "7f6bd6 e58fc4 ffd9d0 b07fd0 3f2a72 ffcf56 fff3f0"),
        _palette("storm", "2f3a47 5d6c7a a9b4b8 5a6874 1c242c d9b44a dfe6e6"),
        _palette("deep", "03263f 0b5572 5fb4b8 1d6c80 021a2c ff9f6b f1fbf3"),
        _palette("ember", "2a0a12 7a1f22 f07a3a 6b2226 170509 ffc14d ffe0a3", night=True),
        _palette("olive", "7f9a8a c3cda5 f4ecc8 8f9f74 2f3d2a d98842 fff6d8"),
    )
}

_MOODS = {
    "dawn": "dawn sunrise morning early pastel soft gentle pearl",
    "dusk": "dusk sunset evening twilight golden romantic",
    "noon": "noon day blue clear sunny summer sky plain",
    "night": "night midnight moon moonlit star stars dark wizard magic dream owl",
    "aurora": "aurora northern lights green alien neon emerald",
    "desert": "desert sand dune dunes sahara camel glass dry wheat honey",
    "ice": "ice snow winter frozen arctic glacier cold white penguin",
    "autumn": "autumn fall leaves fox pumpkin harvest brown wood wooden cat",
    "spring": "spring flower flowers meadow blossom garden bee butterfly pink rose",
    "candy": "candy pop cute toy purple violet cartoon unicorn party balloon",
    "storm": "storm rain cloud clouds grey gray fog mist industrial robot steel",
    "deep": "sea ocean underwater wave waves fish whale ship boat shell coral teal water",
    "ember": "fire lava volcano dragon ember red flame hell candle",
    "olive": "forest jungle tree trees olive hills vineyard tea moss frog",
}

_SCENES = {
    "dunes": "desert sand dune dunes sahara camel glass wheat",
    "mountains": "mountain mountains alps peak peaks snow valley volcano hill hills dragon glacier",
    "sea": "sea ocean wave waves water ship boat fish shell pearl beach lake river whale coral",
    "city": "city street skyline tower castle house building robot neon train town bridge",
    "forest": "forest tree trees wood fox bear owl deer jungle wolf cabin autumn",
    "flowers": "flower flowers garden rose tulip meadow spring bee butterfly blossom bouquet",
    "space": "space planet galaxy astronaut wizard magic moon star stars rocket alien universe",
    "shapes": "abstract geometric pattern bauhaus icon logo circle poster shapes mirror mirrored",
}

_COLOUR_WORDS = {
    "red": "c0392b",
    "orange": "e67e22",
    "yellow": "f1c40f",
    "green": "2e9e5b",
    "teal": "168f8f",
    "blue": "2f6fd0",
    "purple": "8046b8",
    "violet": "8046b8",
    "pink": "e86fa4",
    "gold": "d9a520",
    "white": "f7f7f2",
}


def words_of(prompt: str) -> tuple[str, ...]:
    """The words of a prompt, lower case."""
    return tuple(re.findall(r"[a-zà-ÿ]+", prompt.lower()))


def scene_of(words: tuple[str, ...], chance: random.Random) -> str:
    """The scene that most words ask for, else one by chance."""
    return _best(words, _SCENES, chance)


def palette_of(words: tuple[str, ...], chance: random.Random) -> Palette:
    """The palette that most words ask for, else one by chance; a named colour is the accent."""
    palette = PALETTES[_best(words, _MOODS, chance)]
    accent = next((_COLOUR_WORDS[word] for word in words if word in _COLOUR_WORDS), None)
    if accent is None:
        return palette
    return Palette(
        palette.name,
        palette.sky,
        palette.far,
        palette.near,
        _rgb(accent),
        palette.disc,
        palette.night,
    )


def _best(words: tuple[str, ...], table: dict[str, str], chance: random.Random) -> str:
    score = {name: sum(word in known.split() for word in words) for name, known in table.items()}
    most = max(score.values())
    return chance.choice([name for name, points in score.items() if points == most])


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two: 0 is the first, 1 the second."""
    keep = 1 - share
    return (
        round(first[0] * keep + second[0] * share),
        round(first[1] * keep + second[1] * share),
        round(first[2] * keep + second[2] * share),
    )
