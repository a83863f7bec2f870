"""One line of a batch: answered as a call of its own at half price, or not, or wrongly."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from playground import pricing
from playground.provider.offline.truth import Seen, Truth
from playground.provider.offline.wire import Answer, ApiError, Call
from playground.values import Usage

# Of ten lines, so many are hit by a fault of lines.
_SHARE = 0.3
_MIXED = (
    "lines-missing",
    "lines-lost",
    "lines-repeated",
    "lines-error",
    "lines-500",
    "lines-malformed",
    "lines-no-usage",
    "lines-foreign",
)
_MESSAGES = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "This request was not executed: the batch was cancelled.",
}


def no_usage() -> dict[str, Any]:
    """The usage of a batch of which nothing is done."""
    return {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }


def not_done(line: bytes, code: str) -> bytes:
    """The error line of a request that was never executed."""
    custom_id = json.loads(line)["custom_id"]
    error = {"code": code, "message": _MESSAGES[code]}
    return _written(custom_id, None, error)


class Worker:
    """Answers the lines of one batch and books them; counts stand in its document."""

    def __init__(
        self,
        document: dict[str, Any],
        fault: str,
        answer: Mapping[str, Callable[[Call], Answer]],
        truth: Truth,
        seed: int,
    ) -> None:
        self._document, self._fault, self._seed = document, fault, seed
        self._answer, self._truth = answer, truth

    def answer(self, raw: bytes, number: int) -> Iterator[tuple[bytes, bool]]:
        """What the files say about one line: bytes, and whether they go to the output file."""
        line = json.loads(raw)
        custom_id, fault = line["custom_id"], self._hit(number)
        counts = self._document["request_counts"]
        if fault == "lines-missing":
            return
        if fault in {"lines-error", "lines-500", "lines-all-failed"}:
            counts["failed"] += 1
            status = 500 if fault == "lines-500" else 400
            problem = ApiError(status, "The image could not be decoded.", code="image_parse_error")
            self._note(custom_id, raw, None, status, fault)
            yield _written(custom_id, _response(status, {"error": problem.error})), False
            return
        body = json.dumps(line["body"]).encode()
        call = Call("POST", line["url"], {"content-type": "application/json"}, body)
        try:
            made = self._answer[line["url"]](call)
        except ApiError as problem:
            counts["failed"] += 1
            self._note(custom_id, raw, None, problem.status, fault)
            yield _written(custom_id, _response(problem.status, {"error": problem.error})), False
            return
        made.tier = "batch"
        self._note(custom_id, raw, made, 200, fault)
        counts["completed"] += 1
        self._count(made.usage)
        yield from self._shown(custom_id, made, fault)

    def _shown(self, custom_id: str, made: Answer, fault: str) -> Iterator[tuple[bytes, bool]]:
        document = dict(made.document)
        if fault == "lines-no-usage":
            document.pop("usage", None)
        whole = _written(custom_id, _response(200, document))
        if fault == "lines-lost":
            return
        if fault == "lines-malformed":
            yield whole[: len(whole) * 2 // 3] + b"\n", True
            return
        yield whole, True
        if fault == "lines-repeated":
            yield whole, True
        if fault == "lines-foreign":
            yield _written(f"not-{custom_id}"[:64], _response(200, document)), True

    def _hit(self, number: int) -> str:
        """Which fault the line with this number has."""
        if self._fault == "lines-all-failed":
            return self._fault
        if not self._fault.startswith("lines-") and self._fault != "batch-uncounted":
            return ""
        dice = random.Random(f"{self._seed}/{self._fault}/{number}")  # noqa: S311
        if self._fault == "lines-mixed":
            return dice.choice(_MIXED) if dice.random() < 2 * _SHARE else ""
        kind = "lines-lost" if self._fault == "batch-uncounted" else self._fault
        return kind if dice.random() < _SHARE else ""

    def _count(self, usage: Usage) -> None:
        sums = self._document["usage"]
        sums["input_tokens"] += usage.total_input
        sums["output_tokens"] += usage.text_output + usage.image_output
        sums["total_tokens"] = sums["input_tokens"] + sums["output_tokens"]

    def _note(
        self, custom_id: str, raw: bytes, made: Answer | None, status: int, fault: str
    ) -> None:
        """Book a line when its work is done, before anybody can read of it."""
        usage = made.usage if made is not None else Usage()
        billed = pricing.bill(made.model, usage, tier="batch").dollars if made is not None else None
        self._truth.add(
            Seen(
                at=time.time(),
                endpoint="/v1/batches",
                client_request_id=custom_id,
                body_sha256=hashlib.sha256(raw).hexdigest(),
                model=made.model if made is not None else str(self._document.get("model", "")),
                status=status,
                usage=usage,
                billed=billed if made is not None else Decimal(0),
                fault=fault or None,
            )
        )


def _response(status: int, body: Any) -> dict[str, Any]:
    mark = hashlib.sha256(json.dumps(body).encode()).hexdigest()[:32]
    return {"status_code": status, "request_id": f"req_{mark}", "body": body}


def _written(custom_id: str, response: Any, error: Any = None) -> bytes:
    mark = hashlib.sha256(custom_id.encode()).hexdigest()[:24]
    line = {
        "id": f"batch_req_{mark}",
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"
