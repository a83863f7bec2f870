"""Kill a run of batches at every step, start it again, and hold the ledger to the provider's bill.

Nothing may be asked twice and nothing that was done may be lost, wherever the program died: the
file's answers wait at the provider, and the batch carries our mark.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from forked import Zygote
from PIL import Image
from proof import bought_twice

from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.store import Gallery

PHOTOS = 5  # in batches of three: two of them
CELLS = [
    ("pre_reserve", 1),
    ("post_reserve", 2),
    ("batch_reserved", 1),
    ("batch_uploaded", 2),
    ("batch_creating", 1),
    ("batch_creating", 2),
    ("batch_created", 1),
    ("batch_created", 2),
    ("batch_recorded", 1),
    ("batch_recorded", 2),
    ("batch_downloaded", 1),
    ("pre_settle", 1),
    ("in_settle", 2),
    ("post_settle", 1),
    ("in_ingest", 1),
    ("batch_closing", 1),
    ("batch_closing", 2),
    # Upload, create, upload, create, looks, downloads, removals: each call passes these.
    ("pre_send", 1),
    ("pre_send", 2),
    ("pre_send", 4),
    ("pre_send", 5),
    ("pre_send", 7),
    ("headers", 1),
    ("headers", 4),
    ("headers", 6),
    ("headers", 8),
    ("mid_body", 2),
    ("body_done", 1),
    ("body_done", 2),
    ("body_done", 5),
    ("body_done", 7),
]
if os.environ.get("PLAYGROUND_ALL_KILLS"):
    CELLS = [
        *((point, hit) for point in ("pre_send", "headers", "mid_body", "body_done")
          for hit in range(1, 9)),
        *dict.fromkeys((point, hit) for point, _ in CELLS if "batch" in point for hit in (1, 2)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        Image.new("RGB", (64, 48), (90, 60, number)).save(place / f"{number}.png")
    return place


@pytest.fixture
def place() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def asked(zygote: Zygote, server: OfflineServer, place: Path, photos: Path, **more: object) -> int:
    """Run it in a process of its own; how that ended."""
    return zygote.do("batch", **cell(server, place, photos), **more)


def cell(server: OfflineServer, place: Path, photos: Path) -> dict[str, str]:
    return {"gallery": str(place / "g"), "base_url": server.base_url, "photo": str(photos)}


def within(place: Path, app: OfflineApp) -> None:
    """M1 to M3, before anything is mended."""
    with Gallery(place / "g") as gallery:
        totals = gallery.ledger.totals()
        assert totals.settled <= app.truth.dollars <= totals.committed
        for call in app.truth.calls:
            gallery.ledger.attempt(call.client_request_id)


def whole(place: Path, app: OfflineApp, *, tidy: bool = True) -> None:
    """Every photo has one caption, was asked once, and the ledger is the bill."""
    with Gallery(place / "g") as gallery:
        assert not bought_twice(gallery, app.truth.calls)
        items = list(gallery.each())
        assert [len(item.captions) for item in items] == [1] * PHOTOS
        totals = gallery.ledger.totals()
        assert (totals.settled, totals.held) == (app.truth.dollars, Decimal(0))  # M4
        assert sum((item.total_billed for item in items), Decimal(0)) == totals.settled  # M8
        assert gallery.ledger.batches.unfinished() == []
        assert not [one for one in gallery.verify(full=True) if one.level == "error"]  # M5
        assert not tidy or not list((gallery.folder / "spool").glob("*.jsonl"))
    billed = Counter(call.client_request_id for call in app.truth.calls if call.billed)
    assert sum(billed.values()) == PHOTOS
    assert max(billed.values()) == 1


@pytest.mark.parametrize(("point", "hit"), CELLS)
def test_a_kill_at_any_step_buys_nothing_twice(
    zygote: Zygote, photos: Path, place: Path, point: str, hit: int
) -> None:
    with OfflineServer(OfflineApp()) as server:
        status = asked(zygote, server, place, photos, failpoint=f"{point}:{hit}:kill")
        assert status == -signal.SIGKILL, "the failpoint was not reached"
        within(place, server.app)
        assert asked(zygote, server, place, photos) == 0
        # Before a batch is reserved, only time tells that nobody writes its file any more.
        whole(place, server.app, tidy=point != "pre_reserve")


def test_a_kill_while_a_batch_is_closed_is_taken_up(
    zygote: Zygote, photos: Path, place: Path
) -> None:
    with OfflineServer(OfflineApp(faults="batch-expired@1")) as server:
        status = asked(zygote, server, place, photos, failpoint="in_close:1:kill")
        assert status == -signal.SIGKILL
        within(place, server.app)
        assert asked(zygote, server, place, photos) == 0
        whole(place, server.app)
        # And once more: nothing is left to do.
        before = server.app.truth.requests
        assert asked(zygote, server, place, photos) == 0
        assert server.app.truth.requests == before


def test_kills_at_any_time_lose_nothing(zygote: Zygote, photos: Path, place: Path) -> None:
    dice = random.Random(7)
    with OfflineServer(OfflineApp()) as server:
        for _ in range(5):
            begun = zygote.begin(
                "batch", **cell(server, place, photos), max_lines=1, lost_after=0.5
            )
            due = time.monotonic() + dice.random() * 0.8
            begun.kill_when(lambda due=due: time.monotonic() >= due)
            if (place / "g" / "gallery.db").exists():
                within(place, server.app)
        # A creation that was on its way when its program died shows within that time.
        assert asked(zygote, server, place, photos, lost_after=0.5) == 0
        whole(place, server.app)


def test_a_kill_during_the_second_try_is_survived_too(
    zygote: Zygote, photos: Path, place: Path
) -> None:
    with OfflineServer(OfflineApp()) as server:
        for point in ("batch_created:1", "batch_recorded:1", "headers:3", "in_settle:1"):
            status = asked(zygote, server, place, photos, failpoint=f"{point}:kill")
            assert status == -signal.SIGKILL
            within(place, server.app)
        assert asked(zygote, server, place, photos) == 0
        whole(place, server.app)
