"""The embedded provider: one application that speaks OpenAI's HTTP API, without a network.

It checks as the real API does, draws and describes, reports usage by the same rules that quotes
use (so agreement with it proves nothing about prices), and misbehaves on request. It answers a
`Call` with a `Reply`; `transport.InProcessTransport` and `server` bring both to a client.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial

from playground import pricing
from playground.provider.offline import images, misbehave, models, words
from playground.provider.offline.batches import Desk
from playground.provider.offline.faults import OF_BATCHES, Fault, Faults
from playground.provider.offline.limits import Headers, Limits
from playground.provider.offline.truth import Seen, Truth
from playground.provider.offline.wire import (
    Answer,
    ApiError,
    Call,
    Cut,
    Pause,
    Reply,
    event,
    json_reply,
)
from playground.values import Usage

_PAID = {
    "/v1/images/generations": images.answer,
    "/v1/images/edits": images.answer,
    "/v1/chat/completions": words.answer,
    "/v1/responses": words.answer,
}
# What a batch may ask (edits want pictures by file id, which are not offered here).
_BATCHED = ("/v1/responses", "/v1/chat/completions", "/v1/images/generations")
SAMPLE_HEADER = ("x-playground-sample", "yes")


class OfflineApp:
    """The application. One instance serves any number of threads.

    Args:
        latency_ms: how long an answer takes, and a stream from its first to its last event.
        faults: a plan (see `faults`), or its text.
        seed: varies pictures, words and faults; the same seed gives the same answers.
        rpm: requests per minute before 429; None for no limit.
        burst_seconds: how much unused allowance can be saved up.
        tpm: tokens per minute before 429; None for no limit.
        clock: seconds, for the limits.
    """

    def __init__(
        self,
        *,
        latency_ms: float = 0.0,
        faults: Faults | str | None = None,
        seed: int = 0,
        rpm: float | None = None,
        burst_seconds: float = 60.0,
        tpm: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.truth = Truth()
        self._latency_seconds = latency_ms / 1000
        self._faults = faults if isinstance(faults, Faults) else Faults.parse(faults, seed)
        self._seed = seed
        self._limits = Limits(rpm, tpm, burst_seconds=burst_seconds, clock=clock)
        self._ordinals = itertools.count(1)
        answers = {path: partial(self._answered, path) for path in _BATCHED}
        self.desk = Desk(answers, self.truth, self._faults, seed)

    def handle(self, call: Call) -> Reply:
        """Answer one call; never raises for what a client may send."""
        started = time.perf_counter()
        if call.method == "POST" and call.path in _PAID:
            reply = self._paid(call, next(self._ordinals))
        else:
            reply = self._free(call)
        spent = round((time.perf_counter() - started + reply.wait_seconds) * 1000)
        request_id = call.headers.get("x-client-request-id", "")
        mark = hashlib.sha256(f"{self._seed}/{request_id}/{started}".encode()).hexdigest()
        reply.headers += [
            ("x-request-id", f"req_{mark[:32]}"),
            ("openai-processing-ms", str(max(1, spent))),
            ("openai-version", "2020-10-01"),
            SAMPLE_HEADER,
        ]
        return reply

    def _answered(self, path: str, call: Call) -> Answer:
        return _PAID[path](call, self._seed, 0.0)

    def _free(self, call: Call) -> Reply:
        of_a_batch = self.desk.handle(call)
        if of_a_batch is not None:
            return of_a_batch
        if call.method == "GET" and call.path == "/v1/models":
            return json_reply(200, models.listing())
        if call.method == "GET" and call.path == "/_truth":
            return json_reply(200, self.truth.to_dict())
        status = 405 if call.path in _PAID else 404
        message = f"Invalid URL ({call.method} {call.path})"
        return json_reply(status, ApiError(status, message).body())

    def _paid(self, call: Call, ordinal: int) -> Reply:
        fault = self._faults.pick(ordinal, call.path)
        if fault is not None and fault.stage in OF_BATCHES:
            fault = None
        authorization = call.headers.get("authorization", "")
        if fault is not None and not fault.billed:
            self._note(call, None, fault, status=None)
            if fault.stage == "refuse":
                return misbehave.refusal(fault, call.path, authorization)
            return self._dead(fault)
        try:
            answer = _PAID[call.path](call, self._seed, self._step())
            headers = self._limits.admit(answer.limit_tokens)
        except ApiError as problem:
            self._note(call, None, fault, status=problem.status, model=_model_of(call))
            return json_reply(problem.status, problem.body(), problem.headers)
        if fault is None:
            self._note(call, answer, None, status=200)
            return self._reply(answer, headers)
        return self._faulty(call, answer, headers, fault, authorization)

    def _faulty(
        self, call: Call, answer: Answer, headers: Headers, fault: Fault, authorization: str
    ) -> Reply:
        headers += misbehave.falsify(fault, answer, authorization)
        if fault.name == "usage-10x":
            answer.usage = Usage(**{n: v * 10 for n, v in answer.usage.to_dict().items()})
        self._note(call, answer, fault, status=200)
        if fault.stage == "refuse":
            return misbehave.refusal(fault, call.path, authorization)
        if fault.stage == "wire":
            return self._dead(fault)
        reply = self._reply(answer, headers)
        return misbehave.broken(fault, reply) if fault.stage == "bytes" else reply

    def _dead(self, fault: Fault) -> Reply:
        if fault.name.startswith("timeout"):
            return Reply(200, wait_seconds=misbehave.HANG_SECONDS, cut=Cut("close"))
        cut = Cut("refuse" if fault.name == "refuse" else "reset")
        return Reply(200, wait_seconds=self._latency_seconds, cut=cut)

    def _reply(self, answer: Answer, headers: Headers) -> Reply:
        if answer.events is None:
            reply = json_reply(200, answer.document, headers)
            reply.wait_seconds = self._latency_seconds
            return reply
        return Reply(
            200,
            chunks=_streamed(answer),
            headers=[("content-type", "text/event-stream; charset=utf-8"), *headers],
        )

    def _step(self) -> float:
        """Seconds between the events of a stream: about a dozen make up the latency."""
        return self._latency_seconds / 12

    def _note(
        self,
        call: Call,
        answer: Answer | None,
        fault: Fault | None,
        *,
        status: int | None,
        model: str = "",
    ) -> None:
        """Book a call before the first byte of its answer."""
        billed: Decimal | None = Decimal(0)
        if answer is not None:
            billed = pricing.bill(answer.model, answer.usage, tier=answer.tier).dollars
        self.truth.add(
            Seen(
                at=time.time(),
                endpoint=call.path,
                client_request_id=call.headers.get("x-client-request-id", ""),
                body_sha256=hashlib.sha256(call.body).hexdigest(),
                model=answer.model if answer else model,
                status=status,
                usage=answer.usage if answer else Usage(),
                billed=billed,
                fault=fault.name if fault else None,
            )
        )


def _streamed(answer: Answer) -> Iterator[bytes | Pause]:
    for item in answer.events or ():
        yield item if isinstance(item, Pause) else event(item, named=answer.named)
    if not answer.named:
        yield b"data: [DONE]\n\n"


def _model_of(call: Call) -> str:
    """The model that a refused JSON request named, for the truth log."""
    if not call.headers.get("content-type", "").startswith("application/json"):
        return ""
    try:
        document = json.loads(call.body)
    except ValueError:
        return ""
    name = document.get("model") if isinstance(document, dict) else None
    return name if isinstance(name, str) else ""
