"""Kill the engine at every failpoint, start again, and hold the ledger against the provider's.

The invariants are those of the money protocol (M1 to M8): what the provider billed lies between
what is settled and what is committed, every request has a reservation, an answer that arrived
whole is never lost and never bought twice, every kept file is whole.
"""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from forked import Zygote
from PIL import Image

from playground import runner
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.provider.offline.truth import Seen
from playground.store import Gallery

PLACES = (
    "pre_reserve", "post_reserve", "pre_send", "headers", "mid_body", "body_done", "pre_tmp",
    "mid_tmp", "post_fsync", "post_rename", "pre_settle", "in_settle", "post_settle",
)  # fmt: skip
# From here on the whole answer is in the spool: no kill may lose it.
WHOLE = PLACES[PLACES.index("body_done") :]
# A caption's photo is stored before anything is sent, so these places come earlier there.
STORING = ("pre_tmp", "mid_tmp", "post_fsync", "post_rename")
PICTURES = {"1": 1, "4": 4, "stream": 1, "caption": 0}
CELLS = [
    *((what, point, 1) for what in PICTURES for point in PLACES),
    ("4", "pre_tmp", 2),
    ("4", "mid_tmp", 3),
    ("4", "post_rename", 4),
    ("stream", "mid_body", 2),
]

Run = Callable[..., int]


@pytest.fixture(scope="module")
def server() -> Iterator[OfflineServer]:
    with OfflineServer(OfflineApp()) as running:
        yield running


@pytest.fixture
def run(zygote: Zygote, server: OfflineServer) -> Run:
    """Do calls in a process of their own; returns how it ended."""

    def one(gallery: Path, what: str, failpoint: str = "", **more) -> int:
        return zygote.do(
            what, gallery=str(gallery), base_url=server.base_url, failpoint=failpoint, **more
        )

    return one


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty place, in memory where there is some: kills need no disk, and syncs take long."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "beach.jpg"
    Image.effect_noise((320, 240), 60).save(path)
    return path


def check(gallery: Gallery, seen: list[Seen]) -> None:
    """M1 to M5, M7 and M8, as far as one look can tell them."""
    billed = sum((call.billed for call in seen), Decimal(0))
    totals = gallery.ledger.totals()
    assert totals.settled <= billed <= totals.settled + totals.held  # M1, M3
    for call in seen:
        gallery.ledger.attempt(call.client_request_id)  # M2: raises when there is none
    assert max(Counter(call.client_request_id for call in seen).values(), default=0) <= 1
    unknowns = gallery.ledger.unknowns()
    assert totals.held == sum((attempt.hold for attempt in unknowns), Decimal(0))
    if not unknowns:
        assert totals.settled == billed  # M4
    items = list(gallery.each())
    assert sum((item.total_billed for item in items), Decimal(0)) == totals.settled  # M8
    assert sum((row["settled"] for row in gallery.spend("model")), Decimal(0)) == totals.settled
    findings = [finding for finding in gallery.verify(full=True) if finding.level == "error"]
    assert findings == []  # M5: every row's file exists and hashes right
    answers = {item.attempt_id for item in items if item.attempt_id}
    answers |= {"caption" for item in items for _ in item.captions}
    assert len(seen) - len(answers) <= 1  # M7: one kill, one call at most is paid and lost


@pytest.mark.parametrize(("what", "point", "hit"), CELLS)
def test_a_kill_anywhere_loses_no_money_and_no_answer(
    server: OfflineServer, run: Run, photo: Path, place: Path, what: str, point: str, hit: int
) -> None:
    before = len(server.app.truth.calls)
    status = run(place / "g", what, f"{point}:{hit}:kill", photo=str(photo))
    assert status == -signal.SIGKILL, "the failpoint was not reached"
    seen = server.app.truth.calls[before:]
    early = what == "caption" and point in STORING
    assert len(seen) == (0 if early or point in PLACES[:3] else 1)
    with Gallery(place / "g") as gallery:
        billed = sum((call.billed for call in seen), Decimal(0))
        totals = gallery.ledger.totals()
        assert totals.settled <= billed <= totals.committed  # also before anything is mended
        runner.recover(gallery)
        check(gallery, seen)
        if point in WHOLE and not early:  # M6
            assert gallery.ledger.totals().held == 0
            assert gallery.ledger.totals().settled == billed > 0
            items = list(gallery.each())
            pictures = [item for item in items if item.kind != "photo"]
            assert len(pictures) == PICTURES[what]
            if what == "caption":
                assert [len(item.captions) for item in items] == [1]
        if early or point in {"pre_reserve", "post_reserve"}:
            assert gallery.ledger.totals().committed == 0  # it surely never left
        assert not runner.recover(gallery)
    if what != "1":
        return
    # The next call finds nothing in its way.
    assert run(place / "g", what, photo=str(photo)) == 0
    with Gallery(place / "g") as gallery:
        check(gallery, server.app.truth.calls[before:])


@pytest.mark.parametrize("point", ["in_recovery", "mid_tmp", "post_rename", "in_settle"])
def test_a_kill_during_recovery_is_recovered_from(
    server: OfflineServer, run: Run, place: Path, point: str
) -> None:
    before = len(server.app.truth.calls)
    assert run(place / "g", "4", "body_done:1:kill") == -signal.SIGKILL
    for _ in range(2):
        assert run(place / "g", "recover", f"{point}:1:kill") == -signal.SIGKILL
    with Gallery(place / "g") as gallery:
        assert runner.recover(gallery).settled == 1
        assert gallery.search().total == 4
        check(gallery, server.app.truth.calls[before:])


def test_many_kills_in_a_row_add_up_to_the_last_unit(
    server: OfflineServer, run: Run, place: Path
) -> None:
    before = len(server.app.truth.calls)
    for point in ("headers", "body_done", "in_settle", "post_rename", "mid_body"):
        status = run(place / "g", "1", f"{point}:2:kill", times=3, salt=point)
        assert status == -signal.SIGKILL
    assert run(place / "g", "1", times=2) == 0
    seen = server.app.truth.calls[before:]
    with Gallery(place / "g") as gallery:
        totals = gallery.ledger.totals()
        billed = sum((call.billed for call in seen), Decimal(0))
        assert totals.settled <= billed <= totals.committed
        lost = gallery.ledger.unknowns()
        assert len(lost) == 2  # headers and mid_body: the answers that never arrived whole
        for attempt in lost:
            cost = next(c.billed for c in seen if c.client_request_id == attempt.id)
            gallery.ledger.resolve(attempt.id, dollars=cost, reason="on the provider's bill")
        assert gallery.ledger.totals().settled == billed
        assert gallery.ledger.totals().held == 0
