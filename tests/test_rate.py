"""The pace: near the provider's limit, not above it, and nobody before Retry-After is over."""

from __future__ import annotations

import heapq

import pytest

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


def run(provider: Provider, seconds: float, workers: int = 64, change=None) -> None:
    """Workers that ask as soon as the pace allows."""
    pace = Pace(lambda: provider.now)
    events: list[tuple[float, int, bool, dict[str, str], int]] = []
    free, number = workers, 0
    while provider.now < seconds:
        if change is not None:
            change(provider)
        rest = pace.wait() if free else 1.0
        if rest <= 0:
            number += 1
            free -= 1
            tokens = 1_500 + 1_000 * (number % 2)
            taken, limits = provider.ask(tokens)
            heapq.heappush(events, (provider.now + 0.18, number, taken, limits, tokens))
            continue
        if events and events[0][0] <= provider.now + rest:
            at, _, taken, limits, tokens = heapq.heappop(events)
            provider.now = max(provider.now, at)
            free += 1
            if taken:
                pace.answered(limits, tokens)
            else:
                pace.limited(limits, None if not provider.headers else 0.5)
            continue
        provider.now += rest


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
