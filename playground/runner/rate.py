"""One pace for all calls of a run: as fast as the provider allows, and no faster.

Where answers carry `x-ratelimit-*` headers, calls are spread evenly just below those limits
(requests and tokens). Where they don't, there is no limit until the first refusal; then the rate
is cut and grows again slowly (AIMD). `Retry-After` is a floor for everybody. Runs beside this one
share the limit: each keeps to its part of it (`company`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from playground.runner.company import Told, share_of

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

    def set_rate(self, rate: float, now: float, *, full: bool = True) -> None:
        self.refill(now)
        if not self.rate:
            self.level = max(1.0, rate * _BURST_SECONDS) if full else 1.0
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
    """When the next call may go. Not thread-safe: it belongs to the run's own thread.

    Args:
        meet: tells the other runs how it goes with this one, and what they say.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        meet: Callable[[Told], Sequence[Told]] = lambda _: (),
    ) -> None:
        self._clock, self._meet = clock, meet
        now = clock()
        self._requests, self._tokens = _Bucket(now), _Bucket(now)
        # Calls and tokens a second for all runs together (0: unknown), and this one's part.
        self._all_requests = self._all_tokens = 0.0
        self._share = 1.0
        self._others: Sequence[Told] = ()
        self._held_back = 0
        self._met_begun = 0
        self._met_at = now
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
            self._held_back += 1
            return rest
        self._begun += 1
        self._requests.level -= 1.0
        self._tokens.level -= self._per_call
        return 0.0

    def meet(self) -> None:
        """Share the limit with the other runs; to be called twice a second."""
        now = self._clock()
        seconds, calls = now - self._met_at, self._begun - self._met_begun
        used = calls / seconds if seconds > 0 else 0.0
        known = self.calls_per_second
        # Who only now and then meets its limit leaves some of it to the others.
        held_back = self._held_back > 0 and known is not None and used >= 0.8 * known
        self._met_at, self._met_begun, self._held_back = now, self._begun, 0
        mine = Told(
            self._all_requests, self._all_tokens, self._stated, used, held_back,
            self._cut_at, self._rate_at_cut, self._not_before,
        )  # fmt: skip
        self._others = self._meet(mine)
        for told in self._others:
            self._not_before = max(self._not_before, told.not_before)
            if told.stated and not self._stated:
                self._stated = True
                self._all_requests, self._all_tokens = told.requests, told.tokens
            if not told.stated and not self._stated and told.cut_at > self._cut_at:
                self._all_requests, self._rate_at_cut = told.requests, told.at_cut
                self._cut_at = told.cut_at
                self._grown_at = now
                self._refused = self._accepted = 0
        limits = [self._all_requests] if self._all_requests else []
        if self._all_tokens and self._per_call:
            limits.append(self._all_tokens / self._per_call)
        self._share = share_of(self._others, min(limits, default=0.0))
        self._set(now)

    def _set(self, now: float) -> None:
        """Keep to this run's part of the limits."""
        alone = not self._others
        if self._all_requests:
            self._requests.set_rate(self._all_requests * self._share, now, full=alone)
        if self._all_tokens:
            self._tokens.set_rate(self._all_tokens * self._share, now, full=alone)

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
        rate = self._all_requests
        if not rate:
            # Too high a guess is refused at once, too low a one takes long to grow.
            recent = self._recent(now)
            rate = recent + sum(max(told.used, recent) for told in self._others)
        # A few refusals among many answers cost little; a limit that was halved refuses half.
        share = self._refused / max(1, self._refused + self._accepted)
        self._refused = self._accepted = 0
        self._cut_at, self._rate_at_cut, self._grown_at = now, rate, now
        self._all_requests = max(0.2, rate * max(0.5, 1 - share) * _CUT)
        self._set(now)

    def _recent(self, now: float) -> float:
        count = sum(1 for at in self._successes if now - at <= _WINDOW_SECONDS)
        first = self._successes[0] if self._successes else now
        return max(1.0, count / max(0.5, min(_WINDOW_SECONDS, now - first)))

    def _grow(self, now: float) -> None:
        if self._stated or not self._all_requests:
            return
        seconds, self._grown_at = now - self._grown_at, now
        growth = _FAST_GROWTH if self._all_requests < self._rate_at_cut else _SLOW_GROWTH
        self._all_requests *= 1 + growth * min(seconds, 5.0)
        self._set(now)

    def _learn(self, limits: Mapping[str, str], now: float) -> None:
        for name in ("requests", "tokens"):
            limit = _number(limits.get(f"x-ratelimit-limit-{name}"))
            if limit:
                self._stated = True  # per minute, as OpenAI and its likes do
                if name == "requests":
                    self._all_requests = limit / 60 * SHARE
                else:
                    self._all_tokens = limit / 60 * SHARE
        if self._stated:
            self._set(now)
        for name, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            left = _number(limits.get(f"x-ratelimit-remaining-{name}"))
            if left is not None and bucket.rate:
                bucket.level = min(bucket.level, left * self._share)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e15 else None
