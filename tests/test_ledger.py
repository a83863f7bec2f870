"""The money book: what may be reserved, how an attempt ends, and what the sums say."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from playground import failpoints
from playground.errors import GalleryProblem, SpendingRefused, UnknownPrice
from playground.size import Size
from playground.store import Attempt, Caps, Gallery, NewImage
from playground.values import (
    CaptionRequest,
    Failed,
    ImageRequest,
    Photo,
    Quote,
    Receipt,
    Unknown,
    Usage,
)

Reserve = Callable[..., Attempt]
USAGE = Usage(text_input=20, image_output=129)
RECEIPT = Receipt(status=200, request_id="req-1", seconds=1.5)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, text: str = "2026-11-20T12:00:00") -> None:
        self.now = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now


def settle(gallery: Gallery, attempt: Attempt, dollars: str, **how: Any) -> list[str]:
    cost = Decimal(dollars)
    return gallery.ledger.settle(attempt.id, usage=USAGE, cost=cost, receipt=RECEIPT, **how)


def picture(gallery: Gallery, text: str = "picture", slot: int = 0) -> NewImage:
    data = text.encode()
    return NewImage(gallery.store_file(data, "png"), "png", Size(976, 704), len(data), slot)


def sums(gallery: Gallery, scope: Any = "gallery", name: str | None = None) -> tuple[str, str]:
    totals = gallery.ledger.totals(scope, name)
    return str(totals.settled.normalize()), str(totals.held.normalize())


def test_a_reservation_holds_its_dollars_until_it_is_settled(
    gallery: Gallery, reserve: Reserve
) -> None:
    attempt = reserve(gallery, "0.01", run_id="run")
    assert sums(gallery) == sums(gallery, "day") == sums(gallery, "run", "run") == ("0", "0.01")
    settle(gallery, attempt, "0.003970", images=[picture(gallery)])
    for scope, name in (("gallery", None), ("day", None), ("run", "run")):
        assert sums(gallery, scope, name) == ("0.00397", "0")


def test_the_result_and_the_bill_arrive_together_with_the_price_version(
    gallery: Gallery, reserve: Reserve
) -> None:
    attempt = reserve(gallery, "0.01", slots=3)
    images = [picture(gallery, f"picture {slot}", slot) for slot in range(3)]
    ids = settle(gallery, attempt, "0.010000000001", images=images)
    items = [gallery.item(one) for one in ids]
    assert [item.billed for item in items] == [
        Decimal("0.003333333335"),
        Decimal("0.003333333333"),
        Decimal("0.003333333333"),
    ]
    assert [item.usage.image_output for item in items] == [43, 43, 43]
    assert [item.usage.text_input for item in items] == [8, 6, 6]
    assert items[0].quoted_high == Decimal("0.003333333334")
    assert items[0].request_id == "req-1"
    assert items[0].seconds == 1.5
    booked = gallery.ledger.attempt(attempt.id)
    assert booked.price_version == "prices of 2026-11-01"
    assert booked.usage == USAGE
    assert booked.cost == Decimal("0.010000000001")


def test_settling_twice_changes_nothing(gallery: Gallery, reserve: Reserve) -> None:
    attempt = reserve(gallery)
    image = picture(gallery)
    first = settle(gallery, attempt, "0.004", images=[image])
    assert settle(gallery, attempt, "0.009", images=[image]) == first
    assert sums(gallery) == ("0.004", "0")
    assert gallery.search().total == 1


def test_releasing_gives_the_reservation_back(gallery: Gallery, reserve: Reserve) -> None:
    attempt = reserve(gallery)
    gallery.ledger.release(attempt.id, Failed("rate_limit", "slow down"))
    assert sums(gallery) == ("0", "0")
    assert gallery.ledger.attempt(attempt.id).state == "released"
    assert gallery.ledger.attempt(attempt.id).reason == "rate_limit: slow down"


def test_an_unknown_attempt_stays_held_and_is_listed(gallery: Gallery, reserve: Reserve) -> None:
    attempt = reserve(gallery, "0.02")
    gallery.ledger.unknown(attempt.id, Unknown("timeout", "no answer"))
    assert sums(gallery) == ("0", "0.02")
    (listed,) = gallery.ledger.unknowns()
    assert (listed.id, listed.hold, listed.reason) == (
        attempt.id,
        Decimal("0.02"),
        "timeout: no answer",
    )


def test_only_evidence_or_the_owners_word_ends_an_unknown_attempt(
    gallery: Gallery, reserve: Reserve
) -> None:
    billed, free, decided = (reserve(gallery, "0.02", job=name) for name in "abc")
    for attempt in (billed, free, decided):
        gallery.ledger.unknown(attempt.id, Unknown("timeout", "no answer"))
    settle(gallery, billed, "0.015", images=[picture(gallery)])
    gallery.ledger.release(free.id, Failed("not_sent", "the log says so"))
    gallery.ledger.resolve(decided.id, dollars=Decimal("0.001"), reason="seen on the bill")
    assert gallery.ledger.unknowns() == []
    assert sums(gallery) == ("0.016", "0")
    assert gallery.ledger.attempt(decided.id).reason == "decided: seen on the bill"
    with pytest.raises(GalleryProblem, match="is settled, not unknown"):
        gallery.ledger.resolve(decided.id, dollars=Decimal(0), reason="again")


def test_a_late_answer_corrects_what_the_owner_decided(gallery: Gallery, reserve: Reserve) -> None:
    attempt = reserve(gallery, "0.02")
    gallery.ledger.unknown(attempt.id, Unknown("timeout", "no answer"))
    gallery.ledger.resolve(attempt.id, dollars=Decimal(0), reason="surely not billed")
    assert gallery.answered(["job"]) == set()
    (item_id,) = settle(gallery, attempt, "0.004", images=[picture(gallery)])
    assert sums(gallery) == ("0.004", "0")
    assert gallery.item(item_id).billed == Decimal("0.004")
    assert gallery.answered(["job"]) == {"job"}


def test_a_second_paid_answer_is_kept_without_becoming_a_second_result_of_the_job(
    gallery: Gallery, reserve: Reserve
) -> None:
    first, second = reserve(gallery, job="same"), reserve(gallery, job="same")
    (one,) = settle(gallery, first, "0.004", images=[picture(gallery, "one")])
    (two,) = settle(gallery, second, "0.004", images=[picture(gallery, "two")])
    assert one != two
    assert gallery.search().total == 2
    assert sums(gallery) == ("0.008", "0")


def test_a_failure_between_the_bill_and_the_result_undoes_both(
    gallery: Gallery, reserve: Reserve
) -> None:
    attempt = reserve(gallery)
    failpoints.arm("in_settle:1:raise")
    try:
        with pytest.raises(failpoints.FailpointReached):
            settle(gallery, attempt, "0.004", images=[picture(gallery)])
    finally:
        failpoints.arm(None)
    assert sums(gallery) == ("0", "0.01")
    assert gallery.search().total == 0
    settle(gallery, attempt, "0.004", images=[picture(gallery)])
    assert sums(gallery) == ("0.004", "0")


@pytest.mark.parametrize(
    ("caps", "whose"),
    [
        (Caps(run=Decimal("1.00")), "this run"),
        (Caps(day=Decimal("1.00")), "the day 2026-11-20 (UTC)"),
        (Caps(gallery=Decimal("1.00")), "this gallery"),
    ],
)
def test_a_refusal_tells_the_numbers(
    place: Any, open_gallery: Callable[..., Gallery], reserve: Reserve, caps: Caps, whose: str
) -> None:
    gallery = open_gallery(place, clock=Clock())
    settle(gallery, reserve(gallery, "0.98", run_id="r", caps=caps), "0.98")
    reserve(gallery, "0.01", job="held", run_id="r", caps=caps)
    reserve(gallery, "0.01", job="exactly", run_id="r", caps=caps)
    with pytest.raises(SpendingRefused) as refused:
        reserve(gallery, "0.03", job="more", run_id="r", caps=caps)
    assert str(refused.value) == (
        f"The cap of {whose} is $1.00, $0.98 is spent and $0.02 held; this needs up to $0.03. "
        "Nothing was sent and nothing was spent."
    )
    assert sums(gallery) == ("0.98", "0.02")
    assert sums(gallery, "run", "r") == ("0.98", "0.02")


def test_a_single_call_has_its_own_cap(gallery: Gallery, reserve: Reserve) -> None:
    with pytest.raises(SpendingRefused, match=r"The cap for one call is \$0.005; this needs up to"):
        reserve(gallery, "0.01", caps=Caps(call=Decimal("0.005")))
    assert sums(gallery) == ("0", "0")


def test_the_smaller_of_the_stored_and_the_given_cap_counts(
    gallery: Gallery, reserve: Reserve
) -> None:
    gallery.ledger.set_cap(Decimal("0.05"))
    gallery.ledger.set_cap(Decimal("0.03"), scope="day")
    assert gallery.ledger.totals().cap == Decimal("0.05")
    assert gallery.ledger.totals("day").cap == Decimal("0.03")
    with pytest.raises(SpendingRefused, match=r"this gallery is \$0.05"):
        reserve(gallery, "0.06", caps=Caps(gallery=Decimal(1)))
    with pytest.raises(SpendingRefused, match=r"\(UTC\) is \$0.03"):
        reserve(gallery, "0.04", caps=Caps(day=Decimal(1)))
    with pytest.raises(SpendingRefused, match=r"this gallery is \$0.01"):
        reserve(gallery, "0.02", caps=Caps(gallery=Decimal("0.01")))
    gallery.ledger.set_cap(None)
    gallery.ledger.set_cap(None, scope="day")
    reserve(gallery, "0.06")


def test_a_cap_below_what_is_spent_refuses_even_the_cheapest_call(
    gallery: Gallery, reserve: Reserve
) -> None:
    settle(gallery, reserve(gallery, "0.5"), "0.5")
    gallery.ledger.set_cap(Decimal("0.4"))
    with pytest.raises(SpendingRefused):
        reserve(gallery, "0.000000000001")


def test_each_day_has_its_own_budget_and_a_clock_that_goes_back_opens_none(
    place: Any, open_gallery: Callable[..., Gallery], reserve: Reserve
) -> None:
    clock = Clock("2026-11-20T23:59:00")
    gallery = open_gallery(place, clock=clock)
    caps = Caps(day=Decimal("0.01"))
    settle(gallery, reserve(gallery, "0.01", caps=caps), "0.01")
    clock.now += dt.timedelta(minutes=2)
    attempt = reserve(gallery, "0.01", caps=caps)
    clock.now -= dt.timedelta(days=2)
    with pytest.raises(SpendingRefused, match="the day 2026-11-21"):
        reserve(gallery, "0.01", caps=caps)
    settle(gallery, attempt, "0.004")
    assert sums(gallery, "day", "2026-11-21") == ("0.004", "0")
    assert sums(gallery, "day", "2026-11-20") == ("0.01", "0")


def test_a_clock_that_jumps_ahead_while_the_gallery_is_open_is_asked_about(
    folder_gallery: Gallery, reserve: Reserve
) -> None:
    seconds = [0.0]
    clock = Clock()
    ledger = type(folder_gallery.ledger)(
        folder_gallery._database,
        spool=folder_gallery.folder / "spool",
        clock=clock,
        steady=lambda: seconds[0],
    )
    folder_gallery.ledger = ledger
    clock.now += dt.timedelta(days=3)
    seconds[0] += 3 * 86400
    reserve(folder_gallery)  # three days passed while the machine slept: the clock is right
    clock.now += dt.timedelta(days=3)
    with pytest.raises(SpendingRefused, match="clock jumped ahead by 3 days"):
        reserve(folder_gallery)


def test_without_an_upper_bound_nothing_is_reserved(gallery: Gallery) -> None:
    request = ImageRequest(prompt="x", model="gpt-image-9")
    quote = Quote("gpt-image-9", "standard", dt.date(2026, 11, 1), "unknown", {}, None, None, None)
    with pytest.raises(UnknownPrice, match="gpt-image-9"):
        gallery.ledger.reserve(
            job_key="j", slots=1, request=request, quote=quote, provider="offline"
        )
    assert sums(gallery) == ("0", "0")


def test_more_than_was_held_is_booked_and_stops_all_spending(
    gallery: Gallery, reserve: Reserve
) -> None:
    attempt = reserve(gallery, "0.01")
    settle(gallery, attempt, "0.10", images=[picture(gallery)])
    assert sums(gallery) == ("0.1", "0")
    assert [one.id for one in gallery.ledger.overruns()] == [attempt.id]
    assert gallery.ledger.attempt(attempt.id).state == "overrun"
    with pytest.raises(SpendingRefused, match="cost more than was reserved"):
        reserve(gallery, "0.01", job="next")
    assert gallery.ledger.acknowledge_overruns() == 1
    reserve(gallery, "0.01", job="next")
    assert gallery.ledger.overruns() == []


def test_a_release_after_the_bill_changes_nothing(gallery: Gallery, reserve: Reserve) -> None:
    attempt = reserve(gallery)
    settle(gallery, attempt, "0.004")
    gallery.ledger.release(attempt.id, Failed("auth", "too late"))
    gallery.ledger.unknown(attempt.id, Unknown("died", "too late"))
    assert sums(gallery) == ("0.004", "0")
    assert gallery.ledger.attempt(attempt.id).state == "settled"


def test_a_billed_answer_without_pictures_is_not_bought_again(
    gallery: Gallery, reserve: Reserve
) -> None:
    empty, failed = reserve(gallery, job="empty"), reserve(gallery, job="failed")
    settle(gallery, empty, "0.004", problems=["no picture in the answer"])
    gallery.ledger.release(failed.id, Failed("rate_limit", "slow down"))
    assert gallery.answered(["empty", "failed", "never"]) == {"empty"}


def test_the_request_comes_back_whole_from_the_ledger(gallery: Gallery, reserve: Reserve) -> None:
    photo = Photo(640, 480, "jpeg", 1000, "a" * 64)
    asked = CaptionRequest(photo=photo, task="tags", prompt="tägs\n\0", resize=512, tier="flex")
    rates: Any = {"text_input": Decimal("0.2"), "text_output": Decimal("1.25")}
    attempt = reserve(gallery, request=asked, rates=rates)
    kept = gallery.ledger.attempt(attempt.id)
    assert kept.request == asked.with_(prompt="tägs\n\N{REPLACEMENT CHARACTER}")
    assert kept.rates == rates
    assert kept.tier == "flex"


def test_spend_adds_up_by_day_model_tier_and_run(gallery: Gallery, reserve: Reserve) -> None:
    settle(gallery, reserve(gallery, "0.01", run_id="r1"), "0.004")
    reserve(gallery, "0.02", run_id="r2")
    gallery.ledger.release(reserve(gallery, "0.05").id, Failed("auth", "no"))
    mini = ImageRequest(prompt="x", model="gpt-image-1-mini")
    settle(gallery, reserve(gallery, "0.5", request=mini, sample=True), "0.5")
    models = gallery.spend("model")
    assert models == [
        {
            "model": "gpt-image-1-mini",
            "calls": 1,
            "settled": Decimal("0.5"),
            "held": Decimal(0),
            "quoted_low": Decimal("0.5"),
            "quoted_high": Decimal("0.5"),
            "sample": True,
        },
        {
            "model": "gpt-image-2",
            "calls": 2,
            "settled": Decimal("0.004"),
            "held": Decimal("0.02"),
            "quoted_low": Decimal("0.03"),
            "quoted_high": Decimal("0.03"),
            "sample": False,
        },
    ]
    totals = gallery.ledger.totals()
    for by in ("day", "model", "tier", "run"):
        rows = gallery.spend(by)
        assert sum(row["settled"] for row in rows) == totals.settled
        assert sum(row["held"] for row in rows) == totals.held
    assert totals.sample == Decimal("0.5")
    assert {row["run"] for row in gallery.spend("run")} == {"", "r1", "r2"}


def test_many_threads_never_exceed_the_cap(gallery: Gallery, reserve: Reserve) -> None:
    caps = Caps(gallery=Decimal("0.50"))
    ended = threading.Barrier(8)

    def work(worker: int) -> int:
        bought = 0
        ended.wait()
        for number in range(20):
            try:
                attempt = reserve(gallery, "0.01", job=f"{worker}-{number}", caps=caps)
            except SpendingRefused:
                continue
            bought += 1
            if number % 3 == 0:
                settle(gallery, attempt, "0.01")
            totals = gallery.ledger.totals()
            assert totals.committed <= Decimal("0.50")
        return bought

    with ThreadPoolExecutor(8) as pool:
        bought = sum(pool.map(work, range(8)))
    assert bought == 50
    assert gallery.ledger.totals().committed == Decimal("0.50")
    assert [f for f in gallery.verify() if f.level == "error"] == []


def while_others_wait(
    gallery: Gallery, jobs: list[Callable[[], Any]], first: Callable[[], None]
) -> list[Future[Any]]:
    """Runs `first` inside a transaction while all of `jobs` queue up behind it."""
    database: Any = gallery._database
    inside, go = threading.Event(), threading.Event()

    def slow(_connection: Any) -> None:
        inside.set()
        go.wait()
        first()

    with ThreadPoolExecutor(len(jobs) + 1) as pool:
        futures = [pool.submit(database.write, slow)]
        inside.wait()
        futures += [pool.submit(job) for job in jobs]
        while len(database._queue) < len(jobs):
            threading.Event().wait(0.001)
        go.set()
    return futures


def test_a_refused_job_leaves_the_others_of_its_transaction_alone(
    folder_gallery: Gallery, reserve: Reserve
) -> None:
    """Jobs of several threads share a commit; one that is refused takes nothing with it."""
    caps = [Caps(gallery=Decimal("0.04" if number % 2 else "0.001")) for number in range(8)]
    jobs = [
        partial(reserve, folder_gallery, "0.01", job=str(number), caps=cap)
        for number, cap in enumerate(caps)
    ]
    _, *waiting = while_others_wait(folder_gallery, jobs, lambda: None)
    refused = [isinstance(future.exception(), SpendingRefused) for future in waiting]
    assert refused == [True, False] * 4
    assert sums(folder_gallery) == ("0", "0.04")


def test_more_waiting_jobs_than_one_transaction_takes_are_all_done(
    folder_gallery: Gallery, reserve: Reserve
) -> None:
    jobs = [partial(reserve, folder_gallery, "0.01", job=str(number)) for number in range(150)]
    _, *waiting = while_others_wait(folder_gallery, jobs, lambda: None)
    assert len({future.result().id for future in waiting}) == 150
    assert sums(folder_gallery) == ("0", "1.5")


def test_an_interrupted_thread_takes_no_other_threads_job_with_it(
    folder_gallery: Gallery, reserve: Reserve
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    jobs = [partial(reserve, folder_gallery, "0.01", job=str(number)) for number in range(5)]
    interrupted, *waiting = while_others_wait(folder_gallery, jobs, interrupt)
    assert isinstance(interrupted.exception(), KeyboardInterrupt)
    assert len({future.result().id for future in waiting}) == 5
    assert sums(folder_gallery) == ("0", "0.05")


def test_a_database_error_in_a_shared_transaction_hits_only_its_own_job(
    folder_gallery: Gallery, reserve: Reserve
) -> None:
    def broken() -> Any:
        write = folder_gallery._database.write
        return write(lambda connection: connection.exec_driver_sql("INSERT INTO nothing"))

    jobs = [partial(reserve, folder_gallery, "0.01", job=str(number)) for number in range(4)]
    _, *waiting = while_others_wait(folder_gallery, [*jobs[:2], broken, *jobs[2:]], lambda: None)
    kinds = [type(future.exception()) for future in waiting]
    assert kinds == [type(None)] * 2 + [GalleryProblem] + [type(None)] * 2
    assert sums(folder_gallery) == ("0", "0.04")


def test_a_closed_gallery_buys_nothing(place: Any, reserve: Reserve) -> None:
    with place.open() as gallery:
        reserve(gallery)
    with pytest.raises(GalleryProblem, match="was closed"):
        reserve(gallery)
    with pytest.raises(GalleryProblem, match="was closed"):
        gallery.search()
    gallery.close()


BUY = """
import sys
from decimal import Decimal
from playground.errors import SpendingRefused
from playground.store import Caps, Gallery
from playground.values import ImageRequest, Quote, Receipt, Usage
import datetime as dt
location, files, worker = sys.argv[1:]
cost = Decimal("0.01")
quote = Quote("gpt-image-2", "standard", dt.date(2026, 11, 1), "exact", {}, cost, cost, cost)
bought = 0
with Gallery(location, files=files or None) as gallery:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(40):
        try:
            attempt = gallery.ledger.reserve(
                job_key=f"{worker}-{number}", slots=1, request=ImageRequest(prompt="x"),
                quote=quote, provider="offline", caps=Caps(gallery=Decimal("0.50")),
            )
        except SpendingRefused:
            break
        bought += 1
        if number % 2:
            gallery.ledger.settle(
                attempt.id, usage=Usage(), cost=Decimal("0.007"), receipt=Receipt()
            )
        assert gallery.ledger.totals().committed <= Decimal("0.50")
    print(bought)
"""


def child(code: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_share_a_cap_and_never_exceed_it(
    place: Any, open_gallery: Callable[..., Gallery]
) -> None:
    gallery = open_gallery(place)
    others = [child(BUY, place.location, place.files or "", str(number)) for number in range(2)]
    for other in others:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
    for other in others:
        assert other.stdin is not None
        other.stdin.write("\n")
        other.stdin.flush()
    bought = [int(other.communicate(timeout=60)[0]) for other in others]
    assert [other.returncode for other in others] == [0, 0]
    totals = gallery.ledger.totals()
    assert totals.committed <= Decimal("0.50")
    assert totals.committed > Decimal("0.49")
    assert sum(bought) == len(gallery.ledger._list()) >= 50
    assert [f for f in gallery.verify() if f.level == "error"] == []


RESERVE_AND_WAIT = """
import datetime as dt, sys
from decimal import Decimal
from playground.store import Gallery
from playground.values import ImageRequest, Quote
location, files = sys.argv[1:]
cost = Decimal("0.01")
quote = Quote("gpt-image-2", "standard", dt.date(2026, 11, 1), "exact", {}, cost, cost, cost)
gallery = Gallery(location, files=files or None)
for job in ("sent", "not sent"):
    attempt = gallery.ledger.reserve(
        job_key=job, slots=1, request=ImageRequest(prompt="x"), quote=quote, provider="offline"
    )
    if job == "sent":
        gallery.ledger.sent(attempt.id)
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_killed_process_leaves_attempts_that_say_whether_they_were_sent(
    place: Any, open_gallery: Callable[..., Gallery]
) -> None:
    gallery = open_gallery(place)
    other = child(RESERVE_AND_WAIT, place.location, place.files or "")
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    assert gallery.ledger.dead_attempts() == []  # it lives
    other.send_signal(signal.SIGKILL)
    other.communicate(timeout=10)
    dead = gallery.ledger.dead_attempts()
    assert [(one.job_key, one.state) for one in dead] == [
        ("sent", "sent"),
        ("not sent", "reserved"),
    ]
    assert sums(gallery) == ("0", "0.02")  # looking changes nothing
    gallery.ledger.unknown(dead[0].id, Unknown("died", "the program ended"))
    gallery.ledger.release(dead[1].id, Failed("not_sent", "the program ended before"))
    assert gallery.ledger.dead_attempts() == []
    assert sums(gallery) == ("0", "0.01")


def test_after_a_restart_of_the_machine_every_open_attempt_counts_as_sent(
    gallery: Gallery, reserve: Reserve
) -> None:
    import sqlalchemy as sa

    from playground.store import schema

    reserve(gallery, job="not sent")
    gallery._database.write(
        lambda connection: connection.execute(sa.update(schema.owners).values(boot_id="before"))
    )
    (dead,) = gallery.ledger.dead_attempts()
    assert dead.state == "sent"


def test_an_owner_on_another_host_lives_as_long_as_its_heart_beats(
    place: Any, open_gallery: Callable[..., Gallery], reserve: Reserve
) -> None:
    import sqlalchemy as sa

    from playground.store import leases, schema

    clock = Clock()
    gallery = open_gallery(place, clock=clock)
    reserve(gallery)
    gallery._database.write(
        lambda connection: connection.execute(sa.update(schema.owners).values(host="elsewhere"))
    )
    clock.now += dt.timedelta(seconds=leases.STALE_SECONDS - 1)
    assert gallery.ledger.dead_attempts() == []
    gallery.ledger.beat()
    clock.now += dt.timedelta(seconds=2)
    assert gallery.ledger.dead_attempts() == []
    clock.now += dt.timedelta(seconds=leases.STALE_SECONDS)
    assert len(gallery.ledger.dead_attempts()) == 1


def test_a_reused_process_id_is_not_taken_for_the_owner(gallery: Gallery, reserve: Reserve) -> None:
    import sqlalchemy as sa

    from playground.store import schema

    reserve(gallery)
    assert gallery.ledger.dead_attempts() == []
    gallery._database.write(
        lambda connection: connection.execute(sa.update(schema.owners).values(started="1"))
    )
    assert len(gallery.ledger.dead_attempts()) == 1


def test_closing_a_gallery_ends_its_lease(
    place: Any, open_gallery: Callable[..., Gallery], reserve: Reserve
) -> None:
    gallery = open_gallery(place)
    with place.open() as first:
        left = reserve(first)
        assert gallery.ledger.dead_attempts() == []
    assert [one.id for one in gallery.ledger.dead_attempts()] == [left.id]


def test_marks_of_processes_that_ended_clean_are_tidied_away(
    folder_place: Any, reserve: Reserve
) -> None:
    spool = folder_place.folder / "spool"
    with folder_place.open() as first:
        left = reserve(first)
        first.ledger.sent(left.id)
    (log,) = spool.glob("*.sent")
    with folder_place.open() as second:
        reserve(second, job="second")
        assert log.exists()  # its attempt is still open
        second.ledger.unknown(left.id, Unknown("died", "the program ended"))
    with folder_place.open() as third:
        reserve(third, job="third")
        assert not log.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_has_its_own_connections_and_lease(
    gallery: Gallery, reserve: Reserve
) -> None:
    mine = reserve(gallery, job="parent")
    child_id = os.fork()
    if child_id == 0:
        try:
            reserve(gallery, job="child")
            status = 0
        except BaseException:
            status = 1
        os._exit(status)
    assert os.waitpid(child_id, 0)[1] == 0
    assert [one.job_key for one in gallery.ledger.dead_attempts()] == ["child"]
    settle(gallery, mine, "0.004")
    assert sums(gallery) == ("0.004", "0.01")


def test_spooled_answers_go_when_the_attempt_is_accounted_for(
    folder_gallery: Gallery, reserve: Reserve
) -> None:
    billed, unknown = (reserve(folder_gallery, job=name) for name in "ab")
    for attempt in (billed, unknown):
        folder_gallery.ledger.sent(attempt.id)
        folder_gallery.spool_path(attempt.id).write_bytes(b"answer")
    settle(folder_gallery, billed, "0.004")
    folder_gallery.ledger.unknown(unknown.id, Unknown("no_usage", "usage is missing"))
    assert not folder_gallery.spool_path(billed.id).exists()
    assert folder_gallery.spool_path(unknown.id).read_bytes() == b"answer"


def test_floats_and_negative_bills_are_refused(gallery: Gallery, reserve: Reserve) -> None:
    attempt = reserve(gallery)
    with pytest.raises(ValueError, match="not possible"):
        settle(gallery, attempt, "-0.01")
    with pytest.raises(TypeError):
        gallery.ledger.settle(attempt.id, usage=USAGE, cost=0.01, receipt=RECEIPT)  # type: ignore[arg-type]
    with pytest.raises(GalleryProblem, match="there is no call"):
        gallery.ledger.attempt("nonsense")
    assert sums(gallery) == ("0", "0.01")
