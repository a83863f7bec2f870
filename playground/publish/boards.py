"""Challenge boards of a published gallery: which pictures met a club's rules, and how they rank.

Frozen values, no I/O; the public page's server imports this module. A board names pictures by
their neutral ids: how a picture is called is for its `Entry` to say, in the published fields.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from playground import money

TOLD = "stars, what each was billed, and the tokens of its prompt and picture"
"""What a board shows of its pictures besides the published fields, with words for people."""

MAX_PLACES = 100
Mark = Literal["verified", "practice", "unverified"]
MARKS: dict[Mark, str] = {
    "verified": "verified ✓",
    "practice": "practice (a sample: nobody was charged)",
    "unverified": "unverified: its bill does not follow from its tokens",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A picture on a board. `billed` is in dollars; `mark` says whether its bill proves itself."""

    id: str
    stars: int
    billed: Decimal
    prompt_tokens: int
    output_tokens: int
    mark: Mark

    @property
    def order(self) -> tuple[int, bool, Decimal]:
        """The better first: more stars, then verified, then the smaller bill."""
        return -self.stars, self.mark != "verified", self.billed


@dataclass(frozen=True, slots=True)
class Board:
    """A club's board: its name and rules in words, and its places, the best first."""

    id: str
    name: str
    rules: str
    places: tuple[Place, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values; money as a decimal string."""
        return {
            "id": self.id,
            "name": self.name,
            "rules": self.rules,
            "places": [
                {
                    "rank": rank,
                    "id": each.id,
                    "stars": each.stars,
                    "billed": money.plain(each.billed),
                    "prompt_tokens": each.prompt_tokens,
                    "output_tokens": each.output_tokens,
                    "mark": each.mark,
                }
                for rank, each in enumerate(self.places, 1)
            ],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Board:
        """The board of `to_dict`."""
        places = tuple(
            Place(
                each["id"],
                int(each["stars"]),
                money.usd(each["billed"]),
                int(each["prompt_tokens"]),
                int(each["output_tokens"]),
                each["mark"] if each["mark"] in MARKS else "unverified",
            )
            for each in values["places"]
        )
        return cls(values["id"], values["name"], values["rules"], places)


def read(text: str) -> tuple[Board, ...]:
    """The boards as a snapshot keeps them."""
    return tuple(Board.from_dict(each) for each in json.loads(text or "[]"))


def merged(
    chosen: Sequence[Board], before: Sequence[Board], ids: Collection[str]
) -> tuple[Board, ...]:
    """The boards of pictures that are added to a snapshot, with those of the pictures in it.

    Of the added pictures (`ids`) the boards say what was chosen for them now, and nothing else.
    """
    boards = {board.id: board for board in before}
    boards |= {board.id: board for board in chosen}
    stay = {board.id: [p for p in board.places if p.id not in ids] for board in before}
    come = {board.id: board.places for board in chosen}
    return tuple(
        Board(
            board.id,
            board.name,
            board.rules,
            tuple(
                sorted((*come.get(board.id, ()), *stay.get(board.id, ())), key=lambda p: p.order)
            )[:MAX_PLACES],
        )
        for board in boards.values()
    )


def without(boards: Sequence[Board], kept: Collection[str]) -> tuple[Board, ...]:
    """The boards of the pictures that are `kept`; an empty one goes."""
    left = (
        Board(b.id, b.name, b.rules, tuple(p for p in b.places if p.id in kept)) for b in boards
    )
    return tuple(board for board in left if board.places)


def places_of(boards: Sequence[Board], entry_id: str) -> list[tuple[Board, int, Place]]:
    """Where a picture stands: board, rank and place."""
    return [
        (board, rank, place)
        for board in boards
        for rank, place in enumerate(board.places, 1)
        if place.id == entry_id
    ]


def told(board: Board, rank: int, place: Place) -> str:
    """What a board tells about a picture, in a line."""
    stars = f"{place.stars} of 5 stars" if place.stars else "no stars"
    return (
        f"{rank}. of {len(board.places)}: {stars}, {money.short(place.billed)}, "
        f"{place.prompt_tokens} + {place.output_tokens} tokens, {place.mark}"
    )
