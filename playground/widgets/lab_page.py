"""How the pricing lab looks: one anywidget over `LabState`; see `base` for the messages.

The map of sizes goes to the page once per model, as bytes; the other tabs as blocks of JSON
values (`lab_blocks`). The page's script is in several files: plots, the map, blocks, the page.
"""

from __future__ import annotations

from typing import Any

from playground.state.lab_page import LabState, Map, Problem
from playground.widgets import lab_blocks
from playground.widgets.base import PAGES, Message, PageView, neighbours, script, style
from playground.widgets.lab_forms import ABOUT, TABS, fields


class LabView(PageView):
    """The pricing lab over its state; display it in JupyterLab or Voilà."""

    _esm = script("lab_plot.js", "lab_map.js", "lab_blocks.js", "lab_page.js")
    _css = style("lab_page.css")
    notebook = "4_pricing_lab"

    def __init__(self, state: LabState) -> None:
        super().__init__()
        self.page = state
        self._mapped: tuple[Any, ...] = ()
        self.answers = {
            "open": self._open,
            "visit": self._visit,
            "set": self._set,
            "preset": lambda message: state.preset(str(message["name"])),
            "reprice": lambda message: state.reprice(str(message["on"]), str(message["model"])),
            "take": lambda message: state.take(int(message["number"])),
            "take_cut": lambda _: state.take_cut(),
            "grade": self._grade,
            "anew": lambda _: state.begin_anew(),
            "post": lambda _: self.send({"show": "post", "text": state.post()}),
        }
        blocks = {
            "solver": lambda: lab_blocks.solver_blocks(state.solver) if state.solver else [],
            "whatif": lambda: lab_blocks.whatif_blocks(state.whatif) if state.whatif else [],
            "history": lambda: lab_blocks.history_blocks(state.history, state.repriced),
            "claims": lambda: lab_blocks.claims_blocks(state.claims),
            "bill": lambda: lab_blocks.bill_blocks(state.bill),
            "coach": lambda: lab_blocks.coach_blocks(state.coach) if state.coach else [],
            "board": lambda: lab_blocks.board_blocks(state.board) if state.board else [],
        }
        for tab, made in blocks.items():
            state.observe(lambda _, tab=tab, made=made: self._show(tab, made()), tab)
        state.observe(lambda _: self._show("history", blocks["history"]()), "repriced")
        state.observe(lambda change: self._show_sizes(change["new"]), "sizes")
        state.observe(lambda _: self._show_explain(), "explain")
        state.observe(lambda _: self._show_exercises(), "progress")
        state.observe(lambda change: self._show_problem(change["new"]), "problem")

    # -- from the page -------------------------------------------------------------------------

    def _open(self, _message: Message) -> None:
        self._mapped = ()
        served = bool(neighbours(self.notebook))
        playground = next((name for name in PAGES if name.endswith("playground")), "")
        self.send(
            {
                "show": "tabs",
                "tabs": [[tab, name, ABOUT[tab]] for tab, name in TABS.items()],
                "fields": fields(),
                "forms": self.page.forms,
                "playground": f"./{playground}.ipynb" if served and playground else "",
            }
        )
        self.page.visit("sizes")

    def _visit(self, message: Message) -> None:
        tab = str(message["tab"])
        changes = message.get("changes")
        if isinstance(changes, dict):
            self.page.set(tab, **changes)
        else:
            self.page.visit(tab)
        if tab == "bill" and self.page.bill is None:
            self._show("bill", lab_blocks.bill_blocks(None))

    def _set(self, message: Message) -> None:
        self.page.set(str(message["tab"]), **dict(message["changes"]))

    def _grade(self, message: Message) -> None:
        before = self.page.progress
        self.page.grade(str(message["id"]), str(message["given"]))
        if self.page.progress is before:  # no try, but a word beside the question
            self._show_exercises()

    # -- to the page ---------------------------------------------------------------------------

    def _show(
        self, tab: str, blocks: list[lab_blocks.Block], buffers: list[bytes] | None = None
    ) -> None:
        form = self.page.forms[tab]
        self.send({"show": "tab", "tab": tab, "blocks": blocks, "form": form}, buffers or [])

    def _show_sizes(self, found: Map) -> None:
        made = found.atlas
        key = (made.model, made.on)
        if key != self._mapped:
            self._mapped = key
            message = {
                "show": "map",
                "model": made.model,
                "qualities": list(made.qualities),
                "count": made.count,
                "image_rate": made.image_rate,
                "text_rate": made.text_rate,
                "extra_high": made.extra_high,
            }
            self.send(message, [made.cells])
        self._show("sizes", lab_blocks.size_blocks(found))

    def _show_explain(self) -> None:
        made = self.page.explain
        if made is None:
            return
        photo = self.page.photo() if made.sight is not None else None
        blocks = lab_blocks.explain_blocks(made, photo is not None)
        self._show("explain", blocks, [] if photo is None else [photo])

    def _show_exercises(self) -> None:
        progress = self.page.progress
        if progress is not None:
            self._show("exercises", lab_blocks.exercise_blocks(progress, self.page.graded))

    def _show_problem(self, problem: Problem) -> None:
        self.send({"show": "problem", "tab": problem.tab, "text": problem.text})
