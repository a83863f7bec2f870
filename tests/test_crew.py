"""What is asked of the ledger at one time is done at once, and waits no longer than it may."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from playground.runner.crew import Together, Workers


def done_together(count, company, *, fail=False):
    """The groups in which `count` questions were done, and the seconds that it took."""
    groups = []

    def do(some):
        groups.append(list(some))
        if fail:
            msg = "the disk is full"
            raise OSError(msg)
        return [-one for one in some]

    async def ask():
        workers = Workers(1, "bookers")
        together = Together(do, workers, company)
        try:
            asked = [together.ask(one) for one in range(count)]
            assert await asyncio.gather(*asked) == [-one for one in range(count)]
        finally:
            workers.close()

    begun = time.monotonic()
    asyncio.run(ask())
    return groups, time.monotonic() - begun


def in_thread(*arguments, **options):
    """Browser tests leave a loop running in the main thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(done_together, *arguments, **options).result()


def test_what_is_asked_together_is_done_at_once():
    assert in_thread(40, lambda: 0.008)[0] == [list(range(40))]


def test_a_full_group_waits_for_nobody():
    groups, _ = in_thread(130, lambda: 0.008)
    assert [len(group) for group in groups] == [64, 64, 2]


def test_the_wait_ends_when_there_is_no_reason_for_it_any_more():
    looks = iter([3600.0, 3600.0])
    groups, seconds = in_thread(3, lambda: next(looks, 0.0))
    assert groups == [[0, 1, 2]]
    assert seconds < 60


def test_a_failure_reaches_everybody_who_asked():
    with pytest.raises(OSError, match="disk is full"):
        in_thread(3, lambda: 0.0, fail=True)
