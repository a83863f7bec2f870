"""The controls of the pricing lab's tabs: what can be typed or chosen, with its label and help."""

from __future__ import annotations

from typing import Any

from playground import catalog
from playground.lab import atlas
from playground.lab.board import CLUBS
from playground.lab.whatif import PRESETS
from playground.state.lab_page import SAMPLES
from playground.values import TIERS

Field = dict[str, Any]
TABS = {
    "sizes": "Sizes",
    "solver": "Solver",
    "explain": "Explain",
    "whatif": "What if",
    "history": "History",
    "claims": "Claims",
    "bill": "Bill detective",
    "coach": "Prompt coach",
    "board": "Challenges",
    "exercises": "Exercises",
}
ABOUT = {
    "sizes": "Every size a model makes, and what it costs. Larger is not always dearer.",
    "solver": "Say what you have to spend; get the best picture that it buys.",
    "explain": "A quote line by line: the numbers in place, who says so, what nobody knows.",
    "whatif": "Many photos, one question each: what it costs, and what would change it.",
    "history": "What the same job cost on each day that a price changed.",
    "claims": "Figures that were published about these prices, recomputed.",
    "bill": "Paste a bill; see which request it was, or that it cannot be.",
    "coach": "The same prompt in fewer tokens. Nothing is changed unless you take it.",
    "board": "Pictures of your gallery that stayed within a challenge's budget, by their bills.",
    "exercises": "Questions whose answers come from the rules. Wrong answers get a hint.",
}


def _text(name: str, label: str, help_text: str = "", **rest: Any) -> Field:
    return {"name": name, "label": label, "kind": "text", "help": help_text, **rest}


def _select(name: str, label: str, choices: list[Any], **rest: Any) -> Field:
    pairs = [each if isinstance(each, list) else [each, each] for each in choices]
    return {"name": name, "label": label, "kind": "select", "choices": pairs, **rest}


def fields() -> dict[str, list[Field]]:
    """The controls of each tab, in their order."""
    book = catalog.default()
    makers = list(atlas.models())
    painters = [model.name for model in book.models if model.kind == "image"]
    readers = [model.name for model in book.models if model.kind == "vision"]
    tiers = list(TIERS)
    day = _text("on", "Prices of", "today", size=11)
    qualities = ["low", "medium", "high", "xhigh", "max"]
    tier = _select("tier", "Tier", tiers)
    return {
        "sizes": [
            _select("model", "Model", makers),
            _select("quality", "Quality", qualities),
            _text("size", "Size", size=10),
            _text("prompt_tokens", "Prompt tokens", "as billed", size=6),
            day,
        ],
        "solver": [
            _text("dollars", "Money", "$0.005", size=8),
            _text("prompt_tokens", "Prompt tokens", "as billed", size=6),
            _text("ratio", "Shape", "any, or 16:9", size=9),
            _text("min_pixels", "At least pixels", "any", size=10),
            _select("n", "Pictures", [str(n) for n in range(1, 11)]),
            tier,
            _select("model", "Model", makers),
            day,
        ],
        "explain": [
            _select(
                "kind",
                "What",
                [
                    ["picture", "a new picture"],
                    ["edit", "an edited picture"],
                    ["photo", "words about a photo"],
                ],
            ),
            _select("model", "Model", painters, only=["picture", "edit"]),
            _text("size", "Size", "or auto", size=10, only=["picture", "edit"]),
            _select(
                "quality",
                "Quality",
                [*qualities, "auto", "standard", "hd"],
                only=["picture", "edit"],
            ),
            _select("n", "Pictures", [str(n) for n in range(1, 11)], only=["picture", "edit"]),
            _select("reader", "Model", readers, only=["photo"]),
            _text(
                "photo",
                "Photo",
                "a sample, or 4032x3024",
                size=14,
                suggestions=[*SAMPLES, "4032x3024", "1024x1024"],
                only=["photo", "edit"],
            ),
            _select("detail", "Detail", ["auto", "low", "high", "original"], only=["photo"]),
            _text("resize", "Scaled to", "as it is", size=7, only=["photo"]),
            _text("answer_tokens", "Answer tokens", size=6, only=["photo"]),
            tier,
            day,
            {"name": "prompt", "label": "Prompt", "kind": "area", "help": ""},
        ],
        "whatif": [
            {"name": "preset", "kind": "presets", "choices": [[p.name, p.claim] for p in PRESETS]},
            _select("model", "Model", readers),
            _text("photos", "Photos", size=11),
            _text("size", "Photo size", size=10),
            _select("detail", "Detail", ["auto", "low", "high", "original"]),
            _text("resize", "Scaled to", "as it is", size=7),
            _text("answer_tokens", "Answer tokens", size=6),
            tier,
            day,
        ],
        "history": [
            _select(
                "what",
                "About",
                [["photos", "1,000 photos described"], ["picture", "a picture made"]],
            ),
            _text("size", "Photo size", size=10, only=["photos"]),
            _text("answer_tokens", "Answer tokens", size=6, only=["photos"]),
            _select("quality", "Quality", ["low", "medium", "high"], only=["picture"]),
        ],
        "claims": [],
        "bill": [
            {
                "name": "text",
                "label": "A usage, a whole response, a breakdown, or an amount",
                "kind": "area",
                "help": '{"input_tokens": 20, "output_tokens": 186}',
                "examples": [
                    ["186 tokens", '{"input_tokens": 16, "output_tokens": 186}'],
                    ["$0.00397", "$0.00397"],
                    ["2,751 tokens in", '{"prompt_tokens": 2751, "completion_tokens": 112}'],
                ],
            },
            _select("model", "Model", [["", "the likeliest"], *[[n, n] for n in makers + readers]]),
            day,
        ],
        "coach": [
            {"name": "prompt", "label": "Prompt", "kind": "area", "help": ""},
            _text("locked", "Words that stay", "separated by commas", size=26),
            _text("limit", "Cut to tokens", "no limit", size=6),
        ],
        "board": [
            _select(
                "club",
                "Challenge",
                [*[[c.id, f"{c.name}: {c.rules}"] for c in CLUBS], ["own", "your own rules"]],
            ),
            _text("dollars", "Budget", "any", size=8, only=["own"]),
            _text("size", "Size", "any", size=10, only=["own"]),
            _select(
                "quality", "Quality", [["", "any"], *[[q, q] for q in qualities]], only=["own"]
            ),
            _text("prompt_tokens", "Prompt at most", "any", size=6, only=["own"]),
        ],
        "exercises": [],
    }
