"""The pace: near the provider's limit, not above it, and nobody before Retry-After is over."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from playground.runner.company import Company, Told
from playground.runner.rate import FIRST_CALLS, Pace


class Provider:
    """A token bucket with a clock of its own; answers after 180 ms."""

    def __init__(self, per_second: float, *, headers: bool, tokens_per_second: float = 0) -> None:
        self.now = 0.0
        self.rate, self.headers, self.token_rate = per_second, headers, tokens_per_second
        self.level, self.token_level, self.at = 2 * per_second, 2 * tokens_per_second, 0.0
        self.accepted: list[float] = []
        self.refused: list[float] = []

    def ask(self, tokens: int) -> tuple[bool, dict[str, str]]:
        passed, self.at = self.now - self.at, self.now
        self.level = min(2 * self.rate, self.level + passed * self.rate)
        self.token_level = min(2 * self.token_rate, self.token_level + passed * self.token_rate)
        enough = self.level >= 1 and (not self.token_rate or self.token_level >= tokens)
        if enough:
            self.level -= 1
            self.token_level -= tokens
        (self.accepted if enough else self.refused).append(self.now)
        limits = {}
        if self.headers:
            limits = {
                "x-ratelimit-limit-requests": f"{60 * self.rate:.0f}",
                "x-ratelimit-remaining-requests": f"{self.level:.0f}",
            }
            if self.token_rate:
                limits["x-ratelimit-limit-tokens"] = f"{60 * self.token_rate:.0f}"
                limits["x-ratelimit-remaining-tokens"] = f"{self.token_level:.0f}"
        return enough, limits


def run(
    provider: Provider,
    seconds: float,
    runs: Sequence[tuple[float, int]] = ((0.0, 64),),
    change: Callable[[Provider], None] = lambda _: None,
) -> list[list[float]]:
    """Runs that begin at their time with so many workers, each asking as soon as its pace allows;
    when each was answered.
    """
    said: dict[int, tuple[float, Told]] = {}

    def member(number: int) -> Callable[[Told], list[Told]]:
        def meet(told: Told) -> list[Told]:
            said[number] = provider.now, told
            return [told for who, (at, told) in said.items() if who != number]

        return meet

    paces = [Pace(lambda: provider.now, member(number)) for number in range(len(runs))]
    free, met = [workers for _, workers in runs], [float("-inf") for _ in runs]
    events: list[tuple[float, int, int, bool, dict[str, str], int]] = []
    answered: list[list[float]] = [[] for _ in runs]
    count = 0
    while provider.now < seconds:
        change(provider)
        rest = 0.05
        begun = count
        for number, pace in enumerate(paces):
            if provider.now < runs[number][0]:
                continue
            if provider.now - met[number] >= 0.5:
                pace.meet()
                met[number] = provider.now
            wait = pace.wait() if free[number] else 1.0
            if wait > 0:
                rest = min(rest, wait)
                continue
            count += 1
            free[number] -= 1
            tokens = 1_500 + 1_000 * (count % 2)
            taken, limits = provider.ask(tokens)
            heapq.heappush(events, (provider.now + 0.18, count, number, taken, limits, tokens))
        if count > begun:
            continue
        if events and events[0][0] <= provider.now + rest:
            at, _, number, taken, limits, tokens = heapq.heappop(events)
            provider.now = max(provider.now, at)
            free[number] += 1
            if taken:
                answered[number].append(at)
                paces[number].answered(limits, tokens)
            else:
                paces[number].limited(limits, None if not provider.headers else 0.5)
            continue
        provider.now += rest
    return answered


def share(provider: Provider, begin: float, end: float, rate: float) -> float:
    return sum(begin <= at < end for at in provider.accepted) / (rate * (end - begin))


def test_stated_limits_are_used_and_kept() -> None:
    provider = Provider(50, headers=True)
    run(provider, 60)
    assert share(provider, 0, 60, 50) >= 0.85
    late = [at for at in provider.refused if at > 10]
    assert len(late) <= 0.02 * len(provider.accepted)


def test_the_limit_of_tokens_is_kept_too() -> None:
    provider = Provider(500, headers=True, tokens_per_second=100_000)  # 50 calls of 2,000 tokens
    run(provider, 60)
    assert share(provider, 0, 60, 50) >= 0.85
    assert len([at for at in provider.refused if at > 10]) <= 0.02 * len(provider.accepted)


def test_without_headers_a_halved_limit_is_found_and_used() -> None:
    provider = Provider(50, headers=False)

    def halve(now: Provider) -> None:
        if now.now >= 30:
            now.rate = 25

    run(provider, 75, change=halve)
    asked = sorted(provider.accepted + provider.refused)
    after = [at for at in asked if 40 <= at < 45]
    assert len(after) / 5 <= 27  # below the new limit within ten seconds
    assert share(provider, 60, 75, 25) >= 0.80


@pytest.mark.parametrize(
    "runs",
    [((0, 64), (0, 64)), ((0, 64), (20, 64)), ((0, 64),) * 4],
    ids=["two", "a second one later", "four"],
)
def test_runs_beside_each_other_share_a_stated_limit_evenly(
    runs: Sequence[tuple[float, int]],
) -> None:
    provider = Provider(50, headers=True)
    answered = run(provider, 60, runs)
    assert share(provider, 0, 60, 50) >= 0.85
    assert len(provider.refused) <= 0.02 * len(provider.accepted)
    late = [sum(at >= 30 for at in each) for each in answered]
    assert max(late) <= 1.1 * min(late)


def test_what_a_slow_run_leaves_of_the_limit_another_one_uses() -> None:
    provider = Provider(50, headers=True)
    fast, slow = run(provider, 60, ((0, 64), (0, 2)))
    assert len(slow) >= 600  # all that two workers can ask in that time
    assert len(fast) >= 1_900
    assert len([at for at in provider.refused if at > 10]) <= 0.02 * len(provider.accepted)


def test_without_headers_runs_find_the_limit_together() -> None:
    provider = Provider(50, headers=False)
    one, other = run(provider, 90, ((0, 64), (20, 64)))
    assert share(provider, 45, 90, 50) >= 0.80
    late = [sum(at >= 45 for at in each) for each in (one, other)]
    assert max(late) <= 1.2 * min(late)


def test_runs_hear_of_each_other_by_their_files_until_they_leave(tmp_path: Path) -> None:
    now = [100.0]
    told = Told(50.0, 0.0, True, 20.0, True, 90.0, 40.0, 104.0)
    one = Company(tmp_path, "here gpt-5.4-nano", lambda: now[0])
    assert one.meet(told) == []
    # Another process has a clock of its own: times are told by how long ago they were.
    other = Company(tmp_path, "here gpt-5.4-nano", lambda: now[0] + 1_000)
    stranger = Company(tmp_path, "here gpt-5.4-mini", lambda: now[0])
    assert stranger.meet(told) == []
    (heard,) = other.meet(told)
    assert heard.not_before == pytest.approx(1_104.0, abs=0.5)
    assert (heard.requests, heard.used, heard.held_back) == (50.0, 20.0, True)
    (tmp_path / "x.pace").write_text("{")
    next(tmp_path.glob(f"{one._own.name}")).write_text("not JSON")
    assert other.meet(told) == []
    for company in (one, other, stranger):
        company.leave()
    assert [path.name for path in tmp_path.iterdir()] == ["x.pace"]


def test_without_limits_nothing_is_held_back() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    waits = [pace.wait() for _ in range(FIRST_CALLS + 1)]
    assert waits == [0.0] * FIRST_CALLS + [0.02]
    pace.answered({}, 1_000)
    assert all(pace.wait() == 0.0 for _ in range(1_000))
    assert pace.calls_per_second is None


def test_places_that_were_not_needed_do_not_hold_up_the_others() -> None:
    pace = Pace(lambda: 0.0)
    for _ in range(10 * FIRST_CALLS):
        assert pace.wait() == 0.0
        pace.unused()


def test_nobody_asks_before_the_provider_wants_to_be_asked() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    pace.answered({}, 1_000)
    pace.limited({}, 7.0)
    pace.limited({}, 2.0)  # a shorter wait does not undo a longer one
    assert pace.wait() == pytest.approx(7.0)
    now[0] = 106.9
    assert pace.wait() > 0
    now[0] = 107.1
    assert pace.wait() == 0.0


@pytest.mark.parametrize("nonsense", ["", "many", "-5", "nan", "inf", "1e400"])
def test_limits_that_make_no_sense_are_ignored(nonsense: str) -> None:
    pace = Pace(lambda: 0.0)
    pace.answered({"x-ratelimit-limit-requests": nonsense}, 10)
    assert pace.calls_per_second is None
