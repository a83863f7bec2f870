"""What the pricing lab knows: ten tabs, each a form as typed and what the rules make of it.

A view calls the methods and observes the traits; nothing here draws, asks a provider or writes
to a gallery (one is read for the board, and for re-pricing). A form's values are texts as they
were typed: what cannot be read becomes `problem`, one sentence for the tab, and the last answer
stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets import Dict, HasTraits, Instance
from traitlets import Tuple as Many

from playground import catalog, photos, pricing
from playground.catalog import Catalog
from playground.errors import InvalidRequest, PlaygroundError
from playground.lab import atlas, board, claims, classroom, coach, detective, exercises, history
from playground.lab.advise import Advice, advise
from playground.lab.atlas import Atlas, Spot
from playground.lab.board import Board, Club
from playground.lab.classroom import Progress
from playground.lab.coach import Coached
from playground.lab.detective import Verdict
from playground.lab.exercises import Graded
from playground.lab.explain import Explanation, explain
from playground.lab.history import History, Repriced
from playground.lab.priced import Priced, parse_day, parse_dollars, parse_whole
from playground.lab.whatif import PRESETS, WhatIf, what_if
from playground.size import Size
from playground.state.lab_forms import (
    DEFAULTS,
    asked,
    job_of,
    look_of,
    preset_form,
    wish_of,
)
from playground.store import Gallery

_PHOTOS = Path(pricing.__file__).parent / "data" / "photos"
SAMPLES = tuple(sorted(path.name for path in _PHOTOS.glob("*.jpg")))
MOST_ITEMS = 20_000
"""Pictures of a gallery that the board and the re-pricing look at, the newest first."""


@dataclass(frozen=True, eq=False, slots=True)
class Problem:
    """Why a tab has no new answer; an empty text clears it."""

    tab: str
    text: str


@dataclass(frozen=True, eq=False, slots=True)
class Map:
    """The size explorer: the map, the chosen place, and the sizes that people ask for."""

    atlas: Atlas
    spot: Spot
    presets: tuple[tuple[str, str, Priced], ...]


class LabState(HasTraits):
    """The pricing lab without its looks.

    Args:
        opener: opens the gallery for reading, when the board or a re-pricing first needs it.
        folder: where the progress in the exercises is kept.
        known: another catalog than the shipped one, for the tabs that price by date.
    """

    forms = Dict()
    sizes = Instance(Map, allow_none=True)
    solver = Instance(Advice, allow_none=True)
    explain = Instance(Explanation, allow_none=True)
    whatif = Instance(WhatIf, allow_none=True)
    history = Instance(History, allow_none=True)
    repriced = Instance(Repriced, allow_none=True)
    claims = Many()
    bill = Instance(Verdict, allow_none=True)
    coach = Instance(Coached, allow_none=True)
    board = Instance(Board, allow_none=True)
    progress = Instance(Progress, allow_none=True)
    graded = Instance(Graded, allow_none=True)
    problem = Instance(Problem, allow_none=True)

    def __init__(
        self,
        opener: Callable[[], Gallery],
        folder: Path,
        *,
        known: Catalog | None = None,
    ) -> None:
        super().__init__()
        self._opener = opener
        self._folder = folder
        self._known = known
        self._lock = threading.RLock()
        self.forms = {tab: dict(values) for tab, values in DEFAULTS.items()}
        self._tabs: Mapping[str, Callable[[], None]] = {
            "sizes": self._sizes,
            "solver": self._solver,
            "explain": self._explain,
            "whatif": self._whatif,
            "history": self._history,
            "claims": self._claims,
            "bill": self._bill,
            "coach": self._coach,
            "board": self._board,
            "exercises": self._exercises,
        }

    # -- what a page may do --------------------------------------------------------------------

    def warm(self) -> None:
        """Work the first map out ahead, for a kernel that waits for its page."""
        model = DEFAULTS["sizes"]["model"]
        ahead = threading.Thread(
            target=lambda: atlas.atlas(model, pricing.today()), name="halfpenny-warm", daemon=True
        )
        ahead.start()

    def visit(self, tab: str) -> None:
        """Work a tab out, for the first time or anew."""
        with self._guarded(tab):
            self._tabs[tab]()

    def set(self, tab: str, **changes: Any) -> None:
        """Change a tab's form and work it out. Unknown names are ignored."""
        with self._guarded(tab):
            form = self.forms[tab]
            new = {name: str(value) for name, value in changes.items() if name in form}
            self.forms = {**self.forms, tab: {**form, **new}}
            self._tabs[tab]()

    def preset(self, name: str) -> None:
        """Fill the what-if form with a published example."""
        with self._guarded("whatif"):
            found = next((each for each in PRESETS if each.name == name), None)
            if found is None:
                msg = f"there is no example {name[:60]!r}"
                raise InvalidRequest(msg)
            self.forms = {**self.forms, "whatif": preset_form(found.job)}
            self._whatif()

    def reprice(self, on: str, model: str) -> None:
        """The ledger's bills at another day's prices or with another model; nothing is changed."""
        with self._guarded("history"):
            with self._opener() as gallery:
                bills = history.ledger_bills(gallery.ledger.booked(MOST_ITEMS))
            self.repriced = history.reprice(
                bills, parse_day(on), model.strip() or None, known=self._known
            )

    def take(self, number: int) -> None:
        """Take one of the coach's offers into the prompt."""
        with self._guarded("coach"):
            made = self.coach
            if made is not None and 0 <= number < len(made.offers):
                self._say_prompt(made.offers[number].prompt)

    def take_cut(self) -> None:
        """Take the coach's cut into the prompt."""
        with self._guarded("coach"):
            if self.coach is not None and self.coach.cut is not None:
                self._say_prompt(self.coach.cut.prompt)

    def grade(self, exercise_id: str, given: str) -> None:
        """Grade an answer; `graded` says what came of it, `progress` is kept in the folder."""
        with self._guarded("exercises"):
            one = exercises.exercise(exercise_id)
            try:
                found = exercises.grade(one, given, pricing.today(), known=self._known)
            except InvalidRequest as no_answer:
                # No try: what is no answer is said beside its question, and does not count.
                self.graded = Graded(one.id, False, sentence(str(no_answer)), given)
                return
            progress = (self.progress or classroom.load(self._folder)).after(found)
            problem = classroom.save(self._folder, progress)
            self.graded = found
            self.progress = Progress(progress.solved, progress.tries, problem)

    def begin_anew(self) -> None:
        """Forget the progress."""
        with self._guarded("exercises"):
            problem = classroom.forget(self._folder)
            self.graded = None
            self.progress = Progress(problem=problem)

    def post(self) -> str:
        """The board as a forum post in Markdown; empty before there is one."""
        return "" if self.board is None else board.as_post(self.board)

    def photo(self) -> bytes | None:
        """The sample photo that is explained, as it is shipped."""
        name = self.forms["explain"]["photo"]
        return (_PHOTOS / name).read_bytes() if name in SAMPLES else None

    # -- the tabs ------------------------------------------------------------------------------

    def _sizes(self) -> None:
        form = self.forms["sizes"]
        on = parse_day(form["on"])
        prompt = parse_whole(form["prompt_tokens"], "the prompt's tokens", 0, 100_000)
        made = atlas.atlas(form["model"], on)
        quality = form["quality"] if form["quality"] in made.qualities else made.qualities[0]
        rules = catalog.default().model(made.model).size_rules
        asked_size = Size.parse(form["size"])
        if rules is not None and rules.fixed and asked_size not in rules.fixed:
            asked_size = rules.nearest(asked_size, 1)[0]
        self.forms = {
            **self.forms,
            "sizes": {**form, "quality": quality, "size": str(asked_size)},
        }
        spot = atlas.spot(made.model, asked_size, quality, prompt, on)
        presets = []
        for preset in atlas.PRESETS:
            if rules is None or rules.allows(preset.size):
                price = atlas.spot(made.model, preset.size, quality, prompt, on, larger=0).price
                presets.append((preset.name, preset.why, price))
        self.sizes = Map(made, spot, tuple(presets))

    def _solver(self) -> None:
        wish, on = wish_of(self.forms["solver"])
        self.solver = advise(wish, on)

    def _explain(self) -> None:
        request, on = asked(self.forms["explain"], self._measured)
        self.explain = explain(request, on, known=self._known)

    def _whatif(self) -> None:
        job = job_of(self.forms["whatif"])
        self.whatif = what_if(job, pricing.today(), known=self._known)

    def _history(self) -> None:
        look = look_of(self.forms["history"])
        self.history = history.history(look, pricing.today(), known=self._known)

    def _claims(self) -> None:
        self.claims = claims.check_all(pricing.today(), known=self._known)

    def _bill(self) -> None:
        form = self.forms["bill"]
        if not form["text"].strip():
            self.bill = None
            return
        clue = detective.read(form["text"])
        self.bill = detective.solve(
            clue, parse_day(form["on"]), form["model"].strip() or None, known=self._known
        )

    def _coach(self) -> None:
        form = self.forms["coach"]
        limit = form["limit"].strip()
        number = parse_whole(limit, "a limit", 1, 4000) if limit else None
        locked = [word for word in form["locked"].split(",") if word.strip()]
        self.coach = coach.coach(form["prompt"], locked, number)

    def _board(self) -> None:
        self.board = board.board(self._items(), self._club())

    def _exercises(self) -> None:
        self.progress = classroom.load(self._folder)

    # -- behind them ---------------------------------------------------------------------------

    def _club(self) -> Club:
        form = self.forms["board"]
        known = next((club for club in board.CLUBS if club.id == form["club"]), None)
        if known is not None:
            return known
        dollars, prompt = form["dollars"].strip(), form["prompt_tokens"].strip()
        return board.own_club(
            parse_dollars(dollars, "the budget") if dollars else None,
            form["size"],
            form["quality"],
            parse_whole(prompt, "the prompt's limit", 1, 100_000) if prompt else None,
        )

    def _items(self) -> list[Any]:
        with self._opener() as gallery:
            found = []
            for item in gallery.each(sort="newest"):
                found.append(item)
                if len(found) >= MOST_ITEMS:
                    break
            return found

    def _measured(self, text: str) -> Any:
        """A sample photo by its name, else the size as typed."""
        if text in SAMPLES:
            return photos.measure(_PHOTOS / text, with_hash=False)
        return Size.parse(text)

    def _say_prompt(self, prompt: str) -> None:
        form = {**self.forms["coach"], "prompt": prompt}
        self.forms = {**self.forms, "coach": form}
        self._coach()

    @contextmanager
    def _guarded(self, tab: str) -> Iterator[None]:
        """One turn at a time; what goes wrong becomes the tab's sentence."""
        with self._lock:
            if tab not in self._tabs:
                return
            try:
                yield
            except PlaygroundError as problem:
                self.problem = Problem(tab, sentence(str(problem)))
            else:
                self.problem = Problem(tab, "")


def sentence(text: str) -> str:
    """A reason as a sentence; a name such as gpt-image-2 keeps its small letter."""
    first = text[:1].upper() if text.split(" ")[0].strip(":'").isalpha() else text[:1]
    return f"{first}{text[1:].rstrip('.')}."
