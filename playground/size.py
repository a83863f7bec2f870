"""Picture sizes: which ones a model accepts, which rule a refused one broke, the nearest legal one.

Sizes are pixels, width first. The free sizes of gpt-image-2 and 2.5 are: both edges multiples of
16, the longer at most 3840, at most 3 to 1, and 655,360 to 8,294,400 pixels in all
(developers.openai.com/api/docs/guides/image-generation, read 2026-10). Other models take a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from playground.errors import InvalidRequest

_TEXT = re.compile(r"\s*(\d{1,6})\s*[xX×*]\s*(\d{1,6})\s*")


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height in pixels; `str(size)` is the API's `"976x704"`."""

    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        if self.width_px < 1 or self.height_px < 1:
            msg = f"{self.width_px}x{self.height_px} is not a size: both sides are at least 1 pixel"
            raise InvalidRequest(msg)

    @classmethod
    def parse(cls, text: str | Size) -> Size:
        """Read `"976x704"` (also `×`, spaces, capital X).

        Raises:
            InvalidRequest: when the text is not two whole numbers.
        """
        if isinstance(text, Size):
            return text
        match = _TEXT.fullmatch(text)
        if match is None:
            msg = f"{text!r} is not a size; write width x height in pixels, as in 976x704"
            raise InvalidRequest(msg)
        return cls(int(match[1]), int(match[2]))

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width_px * self.height_px

    @property
    def long_px(self) -> int:
        """The longer side."""
        return max(self.width_px, self.height_px)

    @property
    def short_px(self) -> int:
        """The shorter side."""
        return min(self.width_px, self.height_px)

    @property
    def turned(self) -> Size:
        """The same size with the sides swapped."""
        return Size(self.height_px, self.width_px)

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px}"


@dataclass(frozen=True, slots=True)
class SizeRules:
    """What a model accepts: a list of sizes (`fixed`), or free sizes within limits."""

    fixed: tuple[Size, ...] = ()
    multiple_px: int = 16
    max_edge_px: int = 3840
    max_ratio: int = 3
    min_pixels: int = 655_360
    max_pixels: int = 8_294_400

    def why_not(self, size: Size) -> str | None:
        """The rule that `size` breaks, in words, or None when it is legal."""
        if self.fixed:
            if size in self.fixed:
                return None
            return "this model only makes " + ", ".join(map(str, self.fixed))
        if size.long_px > self.max_edge_px:
            return f"too large: a side is at most {self.max_edge_px} pixels"
        if size.long_px > self.max_ratio * size.short_px:
            return f"too narrow: the ratio is at most {self.max_ratio} to 1"
        if size.pixels < self.min_pixels:
            return f"too small: {size.pixels:,} pixels, at least {self.min_pixels:,} are needed"
        if size.pixels > self.max_pixels:
            return f"too large: {size.pixels:,} pixels, at most {self.max_pixels:,} are allowed"
        if size.width_px % self.multiple_px or size.height_px % self.multiple_px:
            return f"both sides must be multiples of {self.multiple_px} pixels"
        return None

    def allows(self, size: Size) -> bool:
        """Whether `size` can be requested."""
        return self.why_not(size) is None

    def nearest(self, size: Size, count: int = 3) -> tuple[Size, ...]:
        """The legal sizes closest to `size`, the closest first.

        Distance is the sum of squared differences of the sides in pixels; ties go to the size
        with the smaller change of ratio, then to the smaller size.
        """

        def distance(other: Size) -> tuple[int, float, int]:
            across = other.width_px - size.width_px
            down = other.height_px - size.height_px
            ratio = abs(other.width_px / other.height_px - size.width_px / size.height_px)
            return across * across + down * down, ratio, other.pixels

        return tuple(sorted(all_sizes(self), key=distance)[:count])


@lru_cache(maxsize=16)
def all_sizes(rules: SizeRules) -> tuple[Size, ...]:
    """Every legal size, by width then height (29,146 for gpt-image-2)."""
    return rules.fixed or tuple(_free_sizes(rules))


def _free_sizes(rules: SizeRules) -> Iterator[Size]:
    edges = range(rules.multiple_px, rules.max_edge_px + 1, rules.multiple_px)
    for width in edges:
        low = max(-(-width // rules.max_ratio), -(-rules.min_pixels // width))
        high = min(rules.max_ratio * width, rules.max_edge_px, rules.max_pixels // width)
        first = -(-low // rules.multiple_px) * rules.multiple_px
        for height in range(first, high + 1, rules.multiple_px):
            yield Size(width, height)
