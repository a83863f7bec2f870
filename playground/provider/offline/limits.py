"""Requests and tokens per minute, with the headers that the real API sends."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from playground.provider.offline.wire import ApiError

Headers = list[tuple[str, str]]


class Bucket:
    """A refilling allowance of `per_minute`, at most `burst_seconds` worth of it saved up."""

    def __init__(self, per_minute: float, burst_seconds: float, now: float) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60
        self.size = max(1.0, self._rate * burst_seconds)
        self._level, self._at = self.size, now

    def refill(self, now: float) -> None:
        """Bring the level up to date."""
        self._level = min(self.size, self._level + max(0.0, now - self._at) * self._rate)
        self._at = now

    def wait_seconds(self, amount: float) -> float:
        """How long until `amount` is there; a larger amount than the bucket waits for all of it."""
        missing = min(amount, self.size) - self._level
        return max(0.0, missing / self._rate)

    def take(self, amount: float) -> None:
        """Use up `amount`."""
        self._level -= amount

    @property
    def remaining(self) -> int:
        """What is left, as the headers show it."""
        return max(0, math.floor(self._level))

    @property
    def reset_seconds(self) -> float:
        """How long until the bucket is full."""
        return max(0.0, (self.size - self._level) / self._rate)


class Limits:
    """The limits of one account; either may be None for none.

    Args:
        rpm: requests per minute.
        tpm: tokens per minute; a call counts what it could use, as the real API counts.
        burst_seconds: how much unused allowance can be saved up.
    """

    def __init__(
        self,
        rpm: float | None = None,
        tpm: float | None = None,
        *,
        burst_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        now = clock()
        self._requests = Bucket(rpm, burst_seconds, now) if rpm else None
        self._tokens = Bucket(tpm, burst_seconds, now) if tpm else None

    def admit(self, tokens: int) -> Headers:
        """The rate-limit headers of an admitted call.

        Raises:
            ApiError: 429 with Retry-After; a refused request counts against the limit too.
        """
        with self._lock:
            now = self._clock()
            waits = [("requests", self._requests, 1.0), ("tokens", self._tokens, float(tokens))]
            longest, which = 0.0, ""
            for name, bucket, amount in waits:
                if bucket is not None:
                    bucket.refill(now)
                    wait = bucket.wait_seconds(amount)
                    if wait > longest:
                        longest, which = wait, name
            if not which:
                for _, bucket, amount in waits:
                    if bucket is not None:
                        bucket.take(amount)
            headers = self._headers()
        if which:
            raise too_many(longest, which, headers)
        return headers

    def _headers(self) -> Headers:
        headers: Headers = []
        for name, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket is not None:
                headers += [
                    (f"x-ratelimit-limit-{name}", str(math.floor(bucket.per_minute))),
                    (f"x-ratelimit-remaining-{name}", str(bucket.remaining)),
                    (f"x-ratelimit-reset-{name}", duration(bucket.reset_seconds)),
                ]
        return headers


def too_many(seconds: float, which: str, headers: Headers) -> ApiError:
    """The API's 429 for a rate limit."""
    message = (
        f"Rate limit reached on {which} per min. Please try again in {duration(seconds)}. "
        "Visit the limits page of your account to learn more."
    )
    problem = ApiError(429, message, kind=which, code="rate_limit_exceeded")
    problem.headers = [
        *headers,
        ("retry-after", str(math.ceil(seconds))),
        ("retry-after-ms", str(math.ceil(seconds * 1000))),
    ]
    return problem


def duration(seconds: float) -> str:
    """A duration as the headers write it: `6m0s`, `1s`, `120ms`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
