"""What the pricing lab shows, as blocks: lists of JSON values that the page's script draws.

Texts with money are made here, from exact amounts; the script only places them.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from playground import money, render
from playground.lab import exercises
from playground.lab.advise import Advice
from playground.lab.atlas import shown_size
from playground.lab.board import CLUBS, Board, written
from playground.lab.claims import Checked
from playground.lab.classroom import Progress
from playground.lab.coach import Coached
from playground.lab.detective import Verdict
from playground.lab.exercises import EXERCISES, LEVELS, Graded
from playground.lab.explain import Explanation
from playground.lab.figures import Figure
from playground.lab.history import History, Repriced
from playground.lab.priced import Priced
from playground.lab.whatif import WhatIf
from playground.state.lab_page import Map
from playground.values import ImageRequest

Block = dict[str, Any]


def lead(text: str, small: str = "") -> Block:
    """The answer in a sentence, large."""
    return {"b": "lead", "text": text, "small": small}


def price(amount: Priced, what: str) -> Block:
    """One amount, as large as an amount gets."""
    return {"b": "price", "text": amount.text, "what": what, "basis": amount.quote.basis}


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]], note: str = "") -> Block:
    """A table; a cell is a text, or a button `{"label", "do"}`."""
    return {
        "b": "table",
        "title": title,
        "head": list(head),
        "rows": [list(row) for row in rows],
        "note": note,
    }


def notes(title: str, items: Sequence[str]) -> Block:
    """A short list of sentences."""
    return {"b": "notes", "title": title, "items": list(items)}


def figure(made: Figure) -> Block:
    """A plot as JSON values."""
    return {
        "b": "figure",
        "question": made.question,
        "answer": made.answer,
        "head": list(made.head),
        "rows": [list(row) for row in made.rows],
        "lines": [
            {
                "name": line.name,
                "label": line.label or line.name,
                "slot": line.slot,
                "steps": line.steps,
                "points": [[p.x, p.y, p.text, p.low] for p in line.points],
            }
            for line in made.lines
        ],
        "bars": [
            {
                "name": bar.name,
                "value": bar.value,
                "text": bar.text,
                "low": bar.low,
                "slot": bar.slot,
                "on": bar.on,
            }
            for bar in made.bars
        ],
        "marks": [[mark.at, mark.text] for mark in made.marks],
        "x": {
            "ticks": [[tick.at, tick.text] for tick in made.x_ticks],
            "scale": made.x_scale,
            "title": made.x_title,
        },
        "y": {
            "ticks": [[tick.at, tick.text] for tick in made.y_ticks],
            "scale": made.y_scale,
            "title": made.y_title,
        },
        "notes": list(made.notes),
    }


def size_blocks(found: Map) -> list[Block]:
    """The chosen size under the map, and the sizes that people ask for."""
    spot = found.spot
    blocks = [
        price(spot.price, f"{spot.size} at {spot.quality} on {found.atlas.model}"),
        {
            "b": "spot",
            "size": str(spot.size),
            "shown": str(spot.shown),
            "model": found.atlas.model,
            "quality": spot.quality,
            "command": f"--model {found.atlas.model} --size {spot.size} --quality {spot.quality}",
        },
    ]
    if spot.larger:
        rows = [
            (_pick(each), _megapixels(each), _more(each, spot.price), each.text)
            for each in spot.larger
        ]
        blocks.append(
            table("Larger, and no dearer", ("Size", "Megapixels", "Pixels", "Dollars"), rows)
        )
    else:
        blocks.append(lead("", "No size is larger and no dearer than this one."))
    asked = [
        (
            f"{name}: {why}",
            _pick(each),
            str(each.bucket("image_output")),
            str(shown_size(_size(each))),
            each.text,
        )
        for name, why, each in found.presets
    ]
    blocks.append(
        table(
            "Sizes people ask for",
            ("For", "Size", "Output tokens", "Shown on a forum as", "Dollars"),
            asked,
            "A Discourse forum shows a picture within 690 x 500 pixels.",
        )
    )
    remarks = [*found.atlas.notes, *spot.notes]
    if remarks:
        blocks.append(notes("Why it is not exact, or not for long", remarks))
    return blocks


def _pick(each: Priced) -> Block:
    size = str(_size(each))
    return {"label": size, "do": {"do": "set", "tab": "sizes", "changes": {"size": size}}}


def _size(each: Priced) -> Any:
    assert isinstance(each.request, ImageRequest)
    return each.request.asked_size


def _megapixels(each: Priced) -> str:
    return f"{_size(each).pixels / 1e6:.2f}"


def _more(each: Priced, than: Priced) -> str:
    share = Decimal(_size(each).pixels) / _size(than).pixels
    return f"{share:.1f} times"


def solver_blocks(advice: Advice) -> list[Block]:
    """The best request of each quality, and the frontier."""
    rows = []
    for each, per in zip(advice.best, advice.price_per_megapixel, strict=True):
        request = each.request
        assert isinstance(request, ImageRequest)
        rows.append(
            (
                request.quality,
                {
                    "label": str(request.size),
                    "do": {
                        "do": "visit",
                        "tab": "sizes",
                        "changes": {
                            "model": request.model,
                            "size": str(request.size),
                            "quality": request.quality,
                        },
                    },
                },
                _megapixels(each),
                str(each.bucket("image_output")),
                each.text,
                "unknown" if per is None else money.short(per),
            )
        )
    blocks = [lead(advice.words)]
    if rows:
        head = ("Quality", "Size", "Megapixels", "Output tokens", "Dollars", "A megapixel")
        blocks.append(table("The best request of each quality", head, rows))
    return [*blocks, figure(advice.figure)]


def explain_blocks(made: Explanation, has_photo: bool) -> list[Block]:
    """The steps, the prompt's tokens, the photo in pieces, the open questions, the sources."""
    what = f"{made.price.quote.model}, {made.price.quote.tier}, prices of {made.price.on}"
    blocks = [
        price(made.price, what),
        {
            "b": "steps",
            "steps": [[s.what, s.sum, s.result, s.certainty, s.why] for s in made.steps],
        },
    ]
    if made.sight is not None:
        seen = made.sight
        blocks.append(
            {
                "b": "sight",
                "photo": has_photo,
                "width": seen.seen.width_px,
                "height": seen.seen.height_px,
                "cell": seen.cell_px,
                "columns": seen.columns,
                "rows": seen.rows,
                "text": f"{seen.model} looks at {seen.seen} pixels in {seen.columns} × {seen.rows} "
                f"= {seen.count:,} {'pieces' if seen.cells == 'whole' else seen.cells}: "
                f"{seen.tokens} tokens.",
            }
        )
    each = made.pieces[0].dollars if made.pieces else None
    blocks.append(
        {
            "b": "pieces",
            "title": f"The prompt: {len(made.pieces)} tokens"
            + ("" if each is None else f", {money.grouped(each)} each"),
            "pieces": [piece.text for piece in made.pieces],
            "note": f"and {made.overhead}",
        }
    )
    blocks.append(notes("What nobody knows", made.unknown))
    blocks.append({"b": "links", "title": "Where the constants come from", "items": made.links})
    return blocks


def whatif_blocks(made: WhatIf) -> list[Block]:
    """Then and now, the curves, the break-even points."""
    job = made.job
    day = made.then.on
    blocks = [
        {
            "b": "pair",
            "items": [
                [f"prices of {day}", made.then.text],
                [
                    "today's prices",
                    made.now.why_unknown or made.now.text,
                ],
            ],
            "what": f"{job.photos:,} photos on {job.model}, {job.tier}",
        }
    ]
    blocks += [figure(each) for each in made.figures]
    blocks.append(
        table(
            "Break-even points",
            ("Question", "Answer"),
            [(b.title, b.text) for b in made.break_even],
        )
    )
    return blocks


def history_blocks(made: History | None, repriced: Repriced | None) -> list[Block]:
    """The chart, and the gallery at another day's prices."""
    blocks = [] if made is None else [figure(made.figure)]
    blocks.append({"b": "reprice"})
    if repriced is not None:
        blocks.append(lead(repriced.words))
        if repriced.rows:
            rows = [
                (was, now, f"{count:,}", money.short(paid), render.range_text(low, high))
                for was, now, count, paid, low, high in repriced.rows
            ]
            left = f"{repriced.left_out:,} calls cannot be priced so and are in no sum."
            blocks.append(
                table(
                    "Booked and re-priced",
                    ("Booked with", "Priced as", "Calls", "Booked", "Re-priced"),
                    rows,
                    left if repriced.left_out else "",
                )
            )
    return blocks


def claims_blocks(checked: Sequence[Checked]) -> list[Block]:
    """Each claim with its verdict."""
    counts: dict[str, int] = {}
    for each in checked:
        counts[each.verdict] = counts.get(each.verdict, 0) + 1
    said = {
        "holds": ("holds", "hold"),
        "holds on conditions": ("holds on conditions", "hold on conditions"),
        "wrong": ("is wrong", "are wrong"),
        "cannot be known": ("cannot be known", "cannot be known"),
    }
    words = ", ".join(
        f"{counts[each]} {forms[counts[each] > 1]}"
        for each, forms in said.items()
        if each in counts
    )
    return [
        lead(f"{len(checked)} published figures: {words}."),
        {
            "b": "claims",
            "claims": [
                {
                    "claim": each.claim,
                    "said": each.said_in,
                    "verdict": each.verdict,
                    "words": each.words,
                    "lines": [list(line) for line in each.lines],
                    "links": [list(link) for link in each.links],
                }
                for each in checked
            ],
        },
    ]


def bill_blocks(found: Verdict | None) -> list[Block]:
    """Who it was."""
    if found is None:
        return [lead("", "Nothing pasted leaves this page.")]
    blocks = [lead(found.words, f"Read as {found.clue.how}." if found.clue.how else "")]
    if found.suspects:
        more = f"and {found.more:,} more" if found.more else ""
        rows = [(s.what, s.how, s.dollars) for s in found.suspects]
        blocks.append(
            table("Which request it can have been", ("Request", "How", "Quoted"), rows, more)
        )
    if found.bill:
        blocks.append(table("The bill of these tokens", ("Line", "Dollars"), found.bill))
    return blocks


def coach_blocks(made: Coached) -> list[Block]:
    """Words with their tokens, offers to take, the cut."""
    blocks = [
        lead(f"{made.tokens} tokens, billed as {made.billed} with the endpoint's own."),
        {
            "b": "words",
            "words": [[w.text, w.tokens, list(w.pieces), w.locked] for w in made.words],
        },
    ]
    rows = [
        (
            offer.kind,
            offer.before,
            offer.after,
            f"−{offer.saves}",
            {
                "label": "Take",
                "name": f"Take: {offer.before} becomes {offer.after}",
                "do": {"do": "take", "number": number},
            },
        )
        for number, offer in enumerate(made.offers[:12])
    ]
    if rows:
        head = ("What", "Now", "Then", "Tokens", "")
        blocks.append(table("Cheaper ways to say it", head, rows))
    else:
        blocks.append(lead("", "No cheaper spelling is known for this prompt."))
    if made.cut is not None:
        cut = made.cut
        blocks.append(
            {
                "b": "cut",
                "words": cut.words,
                "prompt": cut.prompt,
                "met": cut.met,
                "steps": list(cut.steps),
                "dropped": list(cut.dropped),
            }
        )
    return blocks


def board_blocks(made: Board) -> list[Block]:
    """The ranking."""
    blocks = [lead(made.words, f"{made.club.name}: {made.club.rules}.")]
    if made.entries:
        rows = [
            (
                str(entry.rank),
                {"stars": entry.item.rating or 0},
                render.one_line(entry.item.title or entry.item.prompt or entry.item.name, 70),
                f"{entry.prompt_tokens} in, {entry.output_tokens} out",
                money.short(entry.billed),
                "practice (a sample)"
                if entry.practice
                else "verified ✓"
                if entry.verified
                else f"unverified: {entry.doubt}",
            )
            for entry in made.entries[:50]
        ]
        head = ("Rank", "Rating", "Picture", "Tokens", "Billed", "Bill")
        blocks.append(table("Ranked by rating, then by the smaller bill", head, rows))
        blocks.append({"b": "post"})
        asked = shlex.quote(written(made.club))
        way = "in the gallery's Publish dialog, or with " if made.club in CLUBS else "with "
        blocks.append(
            lead(
                "",
                f"To publish it beside the pictures: {way}`playground gallery publish --all "
                f"--board {asked} shared/`.",
            )
        )
    return blocks


def exercise_blocks(progress: Progress, graded: Graded | None) -> list[Block]:
    """The exercises, level by level."""
    levels = []
    for level, name in LEVELS.items():
        group = [each for each in EXERCISES if each.level == level]
        levels.append(
            {
                "name": f"{level}. {name}",
                "minutes": sum(each.minutes for each in group),
                "exercises": [
                    {
                        "id": each.id,
                        "question": each.question,
                        "unit": each.unit,
                        "choices": list(each.choices),
                        "minutes": each.minutes,
                        "solved": each.id in progress.solved,
                        "tries": progress.tries.get(each.id, 0),
                        "words": graded.words if graded and graded.id == each.id else "",
                        "right": bool(graded and graded.id == each.id and graded.right),
                    }
                    for each in group
                ],
            }
        )
    return [
        lead(progress.words, progress.problem),
        {
            "b": "exercises",
            "levels": levels,
            "done": len(progress.solved),
            "of": len(exercises.EXERCISES),
        },
    ]


def today_text(day: dt.date) -> str:
    """A day for the screen."""
    return day.isoformat()
