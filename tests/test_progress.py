"""What a run tells while it goes on: speed, burn rate, end, cost at completion, reasons."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from PIL import Image

from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.runner import Archive, Forecast, Problem, Summary
from playground.runner.progress import Course, reasons_of
from playground.runner.tally import Tally
from playground.store import Gallery


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_speed_and_the_burn_rate_are_those_of_late() -> None:
    clock = Clock()
    course = Course(clock(), Decimal(100), 1_000)
    for _ in range(60):  # a slow minute, then a fast one
        clock.now += 1
        course.ended(clock(), Decimal("0.1"), Decimal("0.2"))
    for _ in range(60 * 10):
        clock.now += 0.1
        course.ended(clock(), Decimal("0.1"), Decimal("0.2"))
    speed, burn = course.recent(clock())
    assert 9 < speed < 11
    assert Decimal("1.8") < burn < Decimal("2.2")
    clock.now += 60
    assert course.recent(clock()) == (0, 0)


def test_the_cost_at_completion_follows_the_bills_and_ends_at_their_sum() -> None:
    bills = [Decimal(10 + index * 7 % 5) / 1000 for index in range(400)]
    quoted = (Decimal("0.01") * 400, Decimal("0.05") * 400)
    course = Course(0.0, quoted[0], 400)
    first = course.at_completion(Decimal(0), Decimal(0), quoted)
    assert first is not None
    assert (first.low, first.high) == quoted  # no answer yet: the quote is all that is known
    settled = Decimal(0)
    inside = 0
    for index, bill in enumerate(bills):
        settled += bill
        course.ended(float(index), Decimal("0.01"), bill)
        found = course.at_completion(settled, Decimal(0), quoted)
        assert found is not None
        inside += found.low <= sum(bills) <= found.high
    assert inside > 380
    assert found.low == found.estimate == found.high == sum(bills)


def test_held_money_is_within_what_it_may_cost() -> None:
    course = Course(0.0, Decimal(1), 20)
    for index in range(20):
        course.ended(float(index), Decimal("0.05"), Decimal("0.05") if index else None)
    found = course.at_completion(Decimal("0.95"), Decimal("0.07"), (Decimal(1), Decimal(2)))
    assert found is not None
    assert (found.low, found.high) == (Decimal("0.95"), Decimal("1.02"))


def test_the_same_reason_is_told_once_with_its_count_and_one_example() -> None:
    problems = [
        *(Problem(f"a/{n}.jpg", f"{n}.jpg: it has {n},000,000 pixels") for n in (90, 91, 92)),
        Problem("a/x.jpg", "x.jpg: the file is empty"),
        Problem("a/y.jpg", "a/y.jpg is missing"),
    ]
    found = reasons_of(problems)
    assert [(one.count, one.why) for one in found] == [
        (3, "it has 90,000,000 pixels"), (1, "the file is empty"), (1, "is missing"),
    ]  # fmt: skip
    assert found[0].example == "a/90.jpg"


def test_bounds_have_the_digits_that_their_distance_is_worth() -> None:
    def text(low: str, high: str) -> str:
        return str(Forecast(Decimal(low), Decimal(low), Decimal(high), 0.9, 50))

    # Two ends that would read alike show the digits in which they differ.
    assert text("4.87812", "4.8799").startswith("$4.8781 to $4.8799 ")
    assert text("41.8049", "44.0951") == "$41.80 to $44.10 (90 %, from 50 photos)"
    assert text("0.012345", "0.012567").startswith("$0.01234 to $0.01257")
    assert text("2", "2").startswith("$2.00 to $2.00")


def test_a_tally_knows_running_paused_and_over() -> None:
    clock = Clock()
    tally = Tally(Summary(planned=2), clock, None)
    assert tally.progress().state == "running"
    tally.pause(True)
    assert tally.progress().state == "paused"
    tally.pause(False)
    clock.now += 5
    tally.end()
    clock.now += 5
    assert tally.progress().state == "done"
    assert tally.progress().seconds == tally.summary().seconds == 5


def test_an_archive_tells_its_plan_its_run_and_its_end(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(30):
        path = photos / f"{number:02}.jpg"
        Image.new("RGB", (64, 48), (90, 60, 30)).save(path, "JPEG", comment=f"{number}")
    (photos / "copy.jpg").write_bytes((photos / "07.jpg").read_bytes())
    (photos / "empty.jpg").write_bytes(b"")
    looked: list[int] = []
    with (
        OfflineServer(OfflineApp()) as server,
        connect(base_url=server.base_url, environ={}) as client,
        Gallery(tmp_path / "gallery") as gallery,
    ):
        archive = Archive(gallery, client)
        archive.add(photos, on_measured=looked.append)
        assert looked[-1] == 31
        plan = archive.progress
        assert (plan.state, plan.planned, plan.failed) == ("planned", 30, 1)
        assert [(Path(one.path).name, Path(one.same_as).name) for one in archive.duplicates] == [
            ("copy.jpg", "07.jpg")
        ]
        assert [reason.why for reason in archive.reasons] == ["the file is empty"]
        archive.pilot(10, seed=1)
        assert archive.remaining == 20
        assert archive.progress.at_completion is not None
        archive.run()
        end = archive.progress
        assert (end.state, end.planned, end.captioned, end.left) == ("done", 20, 20, 0)
        assert end.at_completion is not None
        assert end.at_completion.low == end.at_completion.high == end.settled_dollars
        assert end.newest[0].text
        assert end.newest[0].dollars > 0
        assert end.dollars_per_hour
        known = [item.id for item in gallery.search()][:3]
        second = Archive(gallery, client, task="tags")
        second.add_items(known)
        assert second.run().captioned == 3
