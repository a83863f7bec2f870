"""Misbehaviour on request: named faults, chosen by seed, call number and path.

A plan is one of

- a fault's name (`500-billed`): every call fails so;
- `name@3`: only the third call; `name@3+`: the third and all later ones;
- `name=0.02,other=0.01`: each call by chance;
- `mix10`: the ten per cent mix of the acceptance tests;
- a JSON file: `{"rates": {"429": 0.02}, "calls": {"5": "timeout"}, "paths": {"/edits": "reset"}}`
  (calls first, then paths, matched by the end of the path, then rates; each part may be left out).

Whether a fault is billed says what the truth log books: a billed fault did the work.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playground.errors import InvalidRequest

Stage = Literal[
    "refuse", "answer", "usage", "payload", "stream", "bytes", "wire",
    "upload", "create", "poll", "content", "batch", "lines",
]  # fmt: skip
# Faults of these stages hit files and batches, never a live call.
OF_BATCHES = frozenset({"upload", "create", "poll", "content", "batch", "lines"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. `stage` says where it acts; see `misbehave`."""

    name: str
    billed: bool
    stage: Stage
    what: str


def _table() -> dict[str, Fault]:
    rows: tuple[tuple[str, bool, Stage, str], ...] = (
        ("refuse", False, "wire", "the connection is refused"),
        ("reset", False, "wire", "the connection is reset before any work"),
        ("reset-billed", True, "wire", "the connection is reset after the work"),
        ("timeout", True, "wire", "no answer comes, the work is done"),
        ("timeout-unbilled", False, "wire", "no answer comes, nothing is done"),
        ("408", False, "refuse", "the server gave up waiting"),
        ("409", False, "refuse", "conflict"),
        ("429", False, "refuse", "rate limit, Retry-After 1 second"),
        ("429-bare", False, "refuse", "rate limit without Retry-After"),
        ("429-seconds", False, "refuse", "rate limit, Retry-After 7 seconds"),
        ("429-date", False, "refuse", "rate limit, Retry-After as a date 7 seconds ahead"),
        ("429-negative", False, "refuse", "rate limit, Retry-After -5"),
        ("429-huge", False, "refuse", "rate limit, Retry-After 1,000,000,000"),
        ("no-resource", False, "refuse", "no flex capacity: 429 resource_unavailable"),
        ("slow-down", False, "refuse", "rate limit: slow_down"),
        ("quota", False, "refuse", "no credit left: insufficient_quota"),
        ("spend-limit", False, "refuse", "project_spend_limit_exceeded"),
        ("401", False, "refuse", "the key is wrong"),
        ("403-verify", False, "refuse", "the organization must be verified"),
        ("404-path", False, "refuse", "no such endpoint"),
        ("413", False, "refuse", "the request is too large"),
        ("bad-size", False, "refuse", "the size is refused"),
        ("moderation-input", False, "refuse", "blocked before the work"),
        ("moderation-output", True, "refuse", "blocked after the work"),
        ("500", False, "refuse", "server error before the work"),
        ("500-billed", True, "refuse", "server error after the work"),
        ("503", False, "refuse", "overloaded"),
        ("502-html", True, "refuse", "a gateway's web page after the work"),
        ("200-html", True, "bytes", "a web page with status 200 after the work"),
        ("redirect", False, "refuse", "307 to the same host"),
        ("redirect-other", False, "refuse", "307 to another host"),
        ("redirect-loop", False, "refuse", "307 to itself"),
        ("key-echo", False, "refuse", "401 that repeats the Authorization header"),
        ("key-echo-500", True, "refuse", "500 that repeats the Authorization header"),
        ("key-echo-header", True, "answer", "an answer with the key in a header"),
        ("key-echo-body", True, "answer", "an answer with the key in its body"),
        ("truncated", True, "bytes", "the body ends in the middle"),
        ("bad-json", True, "bytes", "the body is not JSON"),
        ("gzip-bomb", True, "bytes", "a small compressed body that expands to 256 MB"),
        ("huge", True, "bytes", "a body of 2 GB"),
        ("drip", True, "bytes", "one byte a second"),
        ("bad-base64", True, "payload", "a picture that is not base64"),
        ("html-picture", True, "payload", "base64 of a web page"),
        ("elf-picture", True, "payload", "base64 of a program"),
        ("svg-picture", True, "payload", "base64 of an SVG with a script"),
        ("gif-picture", True, "payload", "base64 of a GIF"),
        ("fewer", True, "payload", "one picture less than asked"),
        ("more", True, "payload", "one picture more than asked"),
        ("empty", True, "payload", "no picture at all"),
        ("url", True, "payload", "links instead of pictures"),
        ("other-tier", True, "payload", "another service tier than asked"),
        ("long-text", True, "payload", "a caption of one million characters"),
        ("no-usage", True, "usage", "no usage"),
        ("usage-zero", True, "usage", "usage of zero tokens"),
        ("usage-float", True, "usage", "fractional tokens"),
        ("usage-string", True, "usage", "tokens as text"),
        ("usage-negative", True, "usage", "negative tokens"),
        ("usage-10x", True, "usage", "ten times the tokens, billed so"),
        ("usage-extra", True, "usage", "a second usage object"),
        ("stream-cut-first", True, "stream", "the stream ends after its first draft or words"),
        ("stream-cut-final", True, "stream", "the stream ends before its final event"),
        ("stream-twice", True, "stream", "the final event comes twice"),
        ("stream-error", True, "stream", "an error event in the middle"),
        ("skewed-date", True, "answer", "a Date header ten years back"),
        ("upload-lost", True, "upload", "an upload is stored, then the connection is reset"),
        ("create-lost", True, "create", "a batch is made, then the connection is reset"),
        ("poll-500", False, "poll", "looking at a batch fails"),
        ("content-404", False, "content", "a batch's file cannot be found"),
        ("content-cut", False, "content", "a batch's file ends in the middle"),
        ("batch-failed", False, "batch", "a batch fails when it is checked"),
        ("batch-limit", False, "batch", "a batch fails: too many tokens are queued"),
        ("batch-slow", True, "batch", "a fifth of a batch at each look"),
        ("batch-stuck", False, "batch", "a batch that never goes on"),
        ("batch-expired", True, "batch", "a batch expires when 60 % is done"),
        ("batch-cancelled", True, "batch", "somebody else cancels a batch at 40 %"),
        ("batch-uncounted", True, "batch", "done lines are missing, and nothing counts them"),
        ("lines-missing", False, "lines", "lines that were not done are in no file"),
        ("lines-lost", True, "lines", "lines that were done are in no file"),
        ("lines-repeated", True, "lines", "lines that stand twice in the output"),
        ("lines-error", False, "lines", "lines that were refused"),
        ("lines-500", False, "lines", "lines that failed at the server"),
        ("lines-all-failed", False, "lines", "all lines were refused: no output file"),
        ("lines-malformed", True, "lines", "lines that are cut in the middle"),
        ("lines-no-usage", True, "lines", "lines without usage"),
        ("lines-foreign", True, "lines", "lines that nobody asked for"),
        ("lines-mixed", True, "lines", "all of these, each some"),
    )
    return {name: Fault(name, billed, stage, what) for name, billed, stage, what in rows}


FAULTS = _table()

# The mix with which the protocol was first tried: ten per cent in all.
MIX10: Mapping[str, float] = {
    "429": 0.02,
    "500": 0.01,
    "500-billed": 0.01,
    "timeout": 0.02,
    "reset": 0.01,
    "reset-billed": 0.01,
    "truncated": 0.01,
    "200-html": 0.005,
    "bad-base64": 0.005,
}


@dataclass(frozen=True, slots=True)
class Faults:
    """A plan: which call fails how. Deterministic by seed, call number (from 1) and path."""

    seed: int = 0
    calls: Mapping[int, str] = field(default_factory=dict)
    since: tuple[int, str] | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None, seed: int = 0) -> Faults:
        """Read a plan from a name, a list or a JSON file.

        Raises:
            InvalidRequest: for an unknown fault, a rate outside 0 to 1, or an unreadable file.
        """
        text = (text or "").strip()
        if not text:
            return cls(seed)
        if text.endswith(".json") or "/" in text:
            return cls._from_file(Path(text), seed)
        if text == "mix10":
            return cls(seed, rates=MIX10)
        if "=" in text:
            pairs = (part.split("=", 1) for part in text.split(",") if part.strip())
            return cls(seed, rates=_rates({name.strip(): rate for name, rate in pairs}))
        name, _, when = text.partition("@")
        _known(name)
        if not when:
            return cls(seed, since=(1, name))
        number = _number(when.removesuffix("+"))
        if when.endswith("+"):
            return cls(seed, since=(number, name))
        return cls(seed, calls={number: name})

    @classmethod
    def _from_file(cls, path: Path, seed: int) -> Faults:
        try:
            plan = json.loads(path.read_text("utf-8"))
            calls = {
                _number(number): _known(name) for number, name in plan.get("calls", {}).items()
            }
            paths = {str(end): _known(name) for end, name in plan.get("paths", {}).items()}
            return cls(seed, calls, None, paths, _rates(plan.get("rates", {})))
        except (OSError, ValueError, AttributeError, TypeError) as problem:
            msg = f"the fault plan {path.name} cannot be read: {problem}"
            raise InvalidRequest(msg) from None

    def pick(self, ordinal: int, path: str) -> Fault | None:
        """How the call with that number fails, or None when it does not."""
        if ordinal in self.calls:
            return FAULTS[self.calls[ordinal]]
        if self.since is not None and ordinal >= self.since[0]:
            return FAULTS[self.since[1]]
        for end, name in self.paths.items():
            if path.endswith(end):
                return FAULTS[name]
        if not self.rates:
            return None
        # Random by content of the key, not by order of arrival: threads do not change it.
        draw = random.Random(f"{self.seed}/{ordinal}/{path}").random()  # noqa: S311
        for name, rate in self.rates.items():
            if draw < rate:
                return FAULTS[name]
            draw -= rate
        return None


def _known(name: str) -> str:
    if name not in FAULTS:
        msg = f"no fault is called {name!r}; known: mix10, {', '.join(FAULTS)}"
        raise InvalidRequest(msg)
    return name


def _number(text: object) -> int:
    number = int(str(text)) if str(text).isdigit() else 0
    if number < 1:
        msg = f"{text!r} is not the number of a call (they count from 1)"
        raise InvalidRequest(msg)
    return number


def _rates(given: Mapping[str, object]) -> dict[str, float]:
    rates: dict[str, float] = {}
    for name, value in given.items():
        try:
            rate = float(str(value))
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            msg = f"the rate of {name} is from 0 to 1, not {value}"
            raise InvalidRequest(msg)
        rates[_known(name)] = rate
    if sum(rates.values()) > 1:
        msg = "the rates add up to more than 1"
        raise InvalidRequest(msg)
    return rates
