"""One pace for all calls of a run: as fast as the provider allows, and no faster.

Where answers carry `x-ratelimit-*` headers, calls are spread evenly just below those limits
(requests and tokens). Where they don't, there is no limit until the first refusal; then the rate
is cut and grows again slowly (AIMD). `Retry-After` is a floor for everybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

# Share of a stated limit that is used: clocks differ and others may use the same account.
SHARE = 0.97
# Before the first answer nothing is known about the limits, so few calls are under way.
FIRST_CALLS = 16
_BURST_SECONDS = 1.0
_CUT = 0.95  # of what was accepted
_CUT_AGAIN_SECONDS = 2.0
_FAST_GROWTH, _SLOW_GROWTH = 0.05, 0.005  # of the rate, a second
_WINDOW_SECONDS = 3.0
_FEW = 10


class _Bucket:
    """An allowance that refills evenly."""

    def __init__(self, now: float) -> None:
        self.rate = 0.0
        self.level = 0.0
        self.at = now

    def set_rate(self, rate: float, now: float) -> None:
        self.refill(now)
        if not self.rate:
            self.level = max(1.0, rate * _BURST_SECONDS)
        self.rate = rate

    def refill(self, now: float) -> None:
        most = max(1.0, self.rate * _BURST_SECONDS)
        self.level = min(most, self.level + max(0.0, now - self.at) * self.rate)
        self.at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken; a large one needs only a full bucket."""
        if not self.rate:
            return 0.0
        self.refill(now)
        needed = min(amount, max(1.0, self.rate * _BURST_SECONDS))
        rest = (needed - self.level) / self.rate
        return rest if rest > 1e-6 else 0.0  # less than a clock can tell


class Pace:
    """When the next call may go. Not thread-safe: it belongs to the run's own thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        now = clock()
        self._requests, self._tokens = _Bucket(now), _Bucket(now)
        self._stated = False
        self._per_call = 0.0
        self._not_before = now
        self._answered = 0
        self._begun = 0
        self._successes: deque[float] = deque(maxlen=100_000)
        self._cut_at = float("-inf")
        self._grown_at = now
        self._rate_at_cut = 0.0
        self._accepted = self._refused = 0  # since the last cut

    @property
    def calls_per_second(self) -> float | None:
        """The rate that is kept to, or None while no limit is known."""
        rates = [self._requests.rate] if self._requests.rate else []
        if self._tokens.rate and self._per_call:
            rates.append(self._tokens.rate / self._per_call)
        return min(rates, default=None)

    def wait(self) -> float:
        """Seconds until one more call may go; 0 takes the place of one call."""
        now = self._clock()
        if now < self._not_before:
            return self._not_before - now
        if not self._answered and self._begun >= FIRST_CALLS:
            return 0.02
        self._grow(now)
        rest = max(self._requests.wait(1.0, now), self._tokens.wait(self._per_call, now))
        if rest > 0:
            return rest
        self._begun += 1
        self._requests.level -= 1.0
        self._tokens.level -= self._per_call
        return 0.0

    def unused(self) -> None:
        """A place that was taken was not needed: nothing was sent."""
        self._begun -= 1
        self._requests.level += 1.0
        self._tokens.level += self._per_call

    def ended(self) -> None:
        """A call ended without a word about limits."""
        self._answered += 1

    def answered(self, limits: Mapping[str, str], tokens: int) -> None:
        """An answer came: learn from its headers and from what it used."""
        now = self._clock()
        self._answered += 1
        self._accepted += 1
        self._successes.append(now)
        charged = self._per_call
        self._per_call = tokens if not charged else 0.95 * charged + 0.05 * tokens
        if self._tokens.rate and charged:
            self._tokens.level -= tokens - charged
        self._learn(limits, now)

    def limited(self, limits: Mapping[str, str], retry_after_seconds: float | None) -> None:
        """The provider refused a call for its rate; nobody asks before it wants to be asked."""
        now = self._clock()
        self._answered += 1
        self._refused += 1
        self._learn(limits, now)
        if retry_after_seconds is not None:
            self._not_before = max(self._not_before, now + max(0.0, retry_after_seconds))
        if self._stated or now - self._cut_at < _CUT_AGAIN_SECONDS:
            return
        if retry_after_seconds is not None and self._accepted + self._refused < _FEW:
            return  # too few answers to tell a rate from; the wait is enough
        rate = self._requests.rate or self._recent(now)
        # A few refusals among many answers cost little; a limit that was halved refuses half.
        share = self._refused / max(1, self._refused + self._accepted)
        self._refused = self._accepted = 0
        self._cut_at, self._rate_at_cut, self._grown_at = now, rate, now
        self._requests.set_rate(max(0.2, rate * max(0.5, 1 - share) * _CUT), now)

    def _recent(self, now: float) -> float:
        count = sum(1 for at in self._successes if now - at <= _WINDOW_SECONDS)
        first = self._successes[0] if self._successes else now
        return max(1.0, count / max(0.5, min(_WINDOW_SECONDS, now - first)))

    def _grow(self, now: float) -> None:
        if self._stated or not self._requests.rate:
            return
        seconds, self._grown_at = now - self._grown_at, now
        below = self._requests.rate < self._rate_at_cut
        growth = _FAST_GROWTH if below else _SLOW_GROWTH
        self._requests.set_rate(self._requests.rate * (1 + growth * min(seconds, 5.0)), now)

    def _learn(self, limits: Mapping[str, str], now: float) -> None:
        for name, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            limit = _number(limits.get(f"x-ratelimit-limit-{name}"))
            if limit:
                self._stated = True  # per minute, as OpenAI and its likes do
                bucket.set_rate(limit / 60 * SHARE, now)
            left = _number(limits.get(f"x-ratelimit-remaining-{name}"))
            if left is not None and bucket.rate:
                bucket.level = min(bucket.level, left)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e15 else None
