"""Photos that look alike, found before anything is paid: resized, re-encoded, retouched, a burst.

A look is 128 bits (a difference hash: is a cell of an 8 x 8 grid brighter than its neighbour,
across and down) and the mean colour; it is read off a decoding child's small copy, so a size, a
quality or a format makes no difference to it. Two photos are alike when at most `MOST_BITS` bits
differ and no colour channel by more than `MOST_COLOUR`.

Groups have a first photo that every other one is alike, never a chain of small steps in which the
ends have nothing in common.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from playground.errors import PhotoProblem
from playground.photos import files, pool
from playground.values import Photo

# Tried on photographs: copies differ by up to 8 bits, different photos by 30 and more.
MOST_BITS = 12
MOST_COLOUR = 20
LOOK_BYTES = 19
_BANDS, _BAND_BITS = 8, 16
_BAND = (1 << _BAND_BITS) - 1
# Within a band at most one bit differs, or two bands would account for more than `MOST_BITS`.
_NEAR = (0, *(1 << bit for bit in range(_BAND_BITS)))

K = TypeVar("K", bound=Hashable)


def look(photo: Photo) -> bytes:
    """A photo's look; no bytes where it has no contrast, so that nothing can be said about it.

    Raises:
        PhotoProblem: when it cannot be read or decoded.
    """
    name, data = files.read(photo)
    request = {"op": "look", "max_pixels": files.MAX_PIXELS}
    return pool.shared.ask(name, request, data)[1]


def looks(photos: Iterable[Photo]) -> Iterator[tuple[Photo, bytes]]:
    """Each photo with its look, in order, some at a time; none for what cannot be decoded."""

    def one(photo: Photo) -> tuple[Photo, bytes]:
        try:
            return photo, look(photo)
        except PhotoProblem:
            return photo, b""

    with ThreadPoolExecutor(pool.shared.size) as threads:
        window: deque[Future[tuple[Photo, bytes]]] = deque()
        try:
            for photo in photos:
                window.append(threads.submit(one, photo))
                if len(window) >= 4 * pool.shared.size:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            for waiting in window:
                waiting.cancel()


def groups(known: Sequence[tuple[K, bytes]]) -> list[list[K]]:
    """Those that look alike, each group led by the one that came first; a group has two or more.

    Some seconds for a hundred thousand: bits are looked up in bands, not compared in pairs.
    """
    index: list[dict[int, list[int]]] = [{} for _ in range(_BANDS)]
    found: dict[int, list[K]] = {}
    leaders: list[tuple[int, bytes]] = []
    keys: list[K] = []
    same: dict[bytes, int] = {}
    for key, mark in known:
        if len(mark) != LOOK_BYTES:
            continue
        leader = same.get(mark)
        if leader is None:
            bits, colour = int.from_bytes(mark[:16], "big"), mark[16:]
            leader = _leader(index, leaders, bits, colour)
            if leader is None:
                same[mark] = len(leaders)
                for band, parts in enumerate(index):
                    part = bits >> band * _BAND_BITS & _BAND
                    parts.setdefault(part, []).append(len(leaders))
                leaders.append((bits, colour))
                keys.append(key)
                continue
            same[mark] = leader
        found.setdefault(leader, [keys[leader]]).append(key)
    return [found[leader] for leader in sorted(found)]


def _leader(
    index: Sequence[dict[int, list[int]]],
    leaders: Sequence[tuple[int, bytes]],
    bits: int,
    colour: bytes,
) -> int | None:
    """The nearest of the leaders that a photo is alike."""
    best, least = None, MOST_BITS + 1
    shift = 0
    for parts in index:
        part = bits >> shift & _BAND
        shift += _BAND_BITS
        for near in _NEAR:
            some = parts.get(part ^ near)
            if some is None:
                continue
            for leader in some:
                theirs, tint = leaders[leader]
                distance = (theirs ^ bits).bit_count()
                if distance < least and _close(tint, colour):
                    best, least = leader, distance
    return best


def _close(one: bytes, other: bytes) -> bool:
    return all(abs(a - b) <= MOST_COLOUR for a, b in zip(one, other, strict=True))
