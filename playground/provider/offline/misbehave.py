"""What each fault does to an answer; `faults` says which call gets which."""

from __future__ import annotations

import base64
import email.utils
import gzip
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from playground.provider.offline.faults import Fault
from playground.provider.offline.limits import Headers
from playground.provider.offline.wire import Answer, ApiError, Cut, Pause, Reply, json_reply

HANG_SECONDS = 3600.0
_PAGE = b"<!doctype html><html><title>502</title><body>Bad gateway</body></html>"
_PIECE = 2**20


def refusal(fault: Fault, path: str, authorization: str) -> Reply:
    """The answer of a fault that ends a call with a status of its own."""
    if fault.name == "502-html":
        headers = [("content-type", "text/html")]
        return Reply(502, chunks=(_PAGE,), headers=headers, length=len(_PAGE))
    if fault.name.startswith("redirect"):
        return _redirect(fault.name, path)
    problem = _problem(fault.name, authorization)
    return json_reply(problem.status, problem.body(), problem.headers)


def _redirect(name: str, path: str) -> Reply:
    where = {
        "redirect": "/v1/models",
        "redirect-other": "http://127.0.0.1:9/v1/models",
        "redirect-loop": path,
    }[name]
    return Reply(307, headers=[("location", where)], length=0)


def _problem(name: str, authorization: str) -> ApiError:
    if name.startswith(("429", "slow-down")):
        return _rate_limit(name)
    if name == "no-resource":
        message = "Resource unavailable: there is not enough capacity for flex processing now."
        return ApiError(429, message, kind="resource_unavailable", code="resource_unavailable")
    echo = f"Incorrect API key provided: {authorization}. It was sent as Authorization."
    rows: dict[str, tuple[int, str, str, str | None]] = {
        "401": (401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
        "403-verify": (
            403,
            "Your organization must be verified to use this model. Please go to your "
            "organization's settings and click on Verify Organization.",
            "invalid_request_error",
            None,
        ),
        "404-path": (404, "Invalid URL", "invalid_request_error", None),
        "408": (408, "Request timed out.", "timeout", None),
        "409": (409, "The resource is locked.", "conflict_error", "lock_timeout"),
        "413": (413, "The request is too large.", "invalid_request_error", "request_too_large"),
        "bad-size": (
            400,
            "Invalid size '976x704'. Supported sizes are 1024x1024, 1024x1536 and 1536x1024.",
            "invalid_request_error",
            "invalid_value",
        ),
        "quota": (
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        "spend-limit": (
            429,
            "The project has reached its spending limit.",
            "insufficient_quota",
            "project_spend_limit_exceeded",
        ),
        "moderation-input": (
            400,
            "Your request was rejected by the safety system.",
            "image_generation_user_error",
            "moderation_blocked",
        ),
        "moderation-output": (
            400,
            "Your request was rejected by the safety system.",
            "image_generation_user_error",
            "moderation_blocked",
        ),
        "503": (503, "The engine is overloaded.", "server_error", None),
        "key-echo": (401, echo, "invalid_request_error", "invalid_api_key"),
        "key-echo-500": (500, echo, "server_error", None),
    }
    fallback = (500, "The server had an error while processing your request.", "server_error", None)
    status, message, kind, code = rows.get(name, fallback)
    stage = {"moderation-input": "input", "moderation-output": "output"}.get(name)
    extra = {"moderation_stage": stage} if stage else None
    param = "size" if name == "bad-size" else None
    problem = ApiError(status, message, kind=kind, param=param, code=code, extra=extra)
    if name.startswith("key-echo"):
        problem.headers = [("x-echo", authorization)]
    return problem


def _rate_limit(name: str) -> ApiError:
    code = "slow_down" if name == "slow-down" else "rate_limit_exceeded"
    problem = ApiError(429, "Rate limit reached. Please slow down.", kind="requests", code=code)
    later = email.utils.formatdate(time.time() + 7, usegmt=True)
    value = {
        "429": "1",
        "slow-down": "1",
        "429-seconds": "7",
        "429-date": later,
        "429-negative": "-5",
        "429-huge": "1000000000",
    }.get(name)
    problem.headers = [("retry-after", value)] if value else []
    return problem


def falsify(fault: Fault, answer: Answer, authorization: str) -> Headers:
    """Change an answer's documents before they are sent; returns headers to add."""
    if fault.stage == "usage":
        _usage(fault.name, answer.bill)
    elif fault.stage == "payload":
        for document in _documents(answer):
            _payload(fault.name, document)
        if fault.name in {"fewer", "more", "empty"} and answer.events is not None:
            _events_missing(fault.name, answer)
    elif fault.stage == "stream" and answer.events is not None:
        _stream(fault.name, answer)
    elif fault.name == "key-echo-body":
        answer.bill["note"] = f"Authorization: {authorization}"
        _words(answer.document, f"Your key is {authorization}.")
    elif fault.name == "key-echo-header":
        return [("x-echo", authorization)]
    elif fault.name == "skewed-date":
        return [("date", email.utils.formatdate(time.time() - 10 * 365 * 86_400, usegmt=True))]
    return []


def _documents(answer: Answer) -> list[dict[str, Any]]:
    if answer.events is None:
        return [answer.document]
    return [event for event in answer.events if isinstance(event, dict)]


def _usage(name: str, document: dict[str, Any]) -> None:
    if name == "no-usage":
        document.pop("usage", None)
        return
    if name == "usage-extra":
        document["svg_usage"] = {"model": "author", "input_tokens": 120, "output_tokens": 900}
        return
    usage = document["usage"]
    out = "completion_tokens" if "completion_tokens" in usage else "output_tokens"
    if name == "usage-10x":
        _scaled(usage, 10)
    elif name == "usage-zero":
        _scaled(usage, 0)
    else:
        value = usage[out]
        usage[out] = {
            "usage-float": value + 0.5,
            "usage-string": str(value),
            "usage-negative": -value,
        }[name]


def _scaled(usage: dict[str, Any], factor: int) -> None:
    for key, value in usage.items():
        if isinstance(value, dict):
            _scaled(value, factor)
        elif isinstance(value, int):
            usage[key] = value * factor


def _payload(name: str, document: dict[str, Any]) -> None:
    if name == "other-tier":
        holder = document.get("response")
        target = holder if isinstance(holder, dict) else document
        if "service_tier" in target:
            target["service_tier"] = "priority"
        return
    if name == "long-text":
        _words(document, "very " * 200_000)
        return
    data = document.get("data")
    items = data if isinstance(data, list) else [document] if "b64_json" in document else []
    if name == "fewer" and isinstance(data, list):
        data.pop()
    elif name == "empty" and isinstance(data, list):
        data.clear()
    elif name == "more" and isinstance(data, list):
        data.append(dict(data[-1]))
    for item in items:
        if name == "url":
            item.pop("b64_json", None)
            item["url"] = "http://169.254.169.254/latest/picture.png"
        elif name == "bad-base64":
            item["b64_json"] = "!" + item["b64_json"][1:]
        elif name in _PICTURES:
            item["b64_json"] = base64.b64encode(_PICTURES[name]).decode()


_PICTURES = {
    "html-picture": b"<!doctype html><html><script>alert(1)</script></html>",
    "elf-picture": b"\x7fELF\x02\x01\x01" + bytes(64),
    "svg-picture": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "gif-picture": b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff;",
}


def _words(document: dict[str, Any], text: str) -> None:
    for choice in document.get("choices", ()):
        for place in ("message", "delta"):
            if place in choice and "content" in choice[place]:
                choice[place]["content"] = text
    response = document.get("response", document)
    for item in response.get("output", ()) if isinstance(response, dict) else ():
        for part in item.get("content", ()):
            part["text"] = text


def _events_missing(name: str, answer: Answer) -> None:
    assert answer.events is not None
    finals = [e for e in answer.events if isinstance(e, dict) and _is_final(e)]
    if name == "more":
        answer.events.append(dict(finals[-1]))
    for final in finals if name == "empty" else finals[-1:] if name == "fewer" else []:
        answer.events.remove(final)


def _is_final(event: dict[str, Any]) -> bool:
    return str(event.get("type", "")).endswith((".completed", ".incomplete")) or (
        "choices" in event and bool(event.get("usage"))
    )


def _stream(name: str, answer: Answer) -> None:
    assert answer.events is not None
    documents = [i for i, e in enumerate(answer.events) if isinstance(e, dict)]
    final = next(i for i in documents if _is_final(answer.events[i]))  # type: ignore[arg-type]
    if name == "stream-twice":
        answer.events.insert(final + 1, answer.events[final])
    elif name == "stream-error":
        error = {"message": "The server had an error.", "type": "server_error", "code": None}
        answer.events[final:] = [{"type": "error", "error": error}]
    elif name == "stream-cut-final":
        del answer.events[final:]
    else:
        shown = [i for i in documents if _is_draft(answer.events[i])]  # type: ignore[arg-type]
        del answer.events[(shown[0] + 1 if shown else final) :]


def _is_draft(event: dict[str, Any]) -> bool:
    choices = event.get("choices")
    said = bool(choices and choices[0].get("delta", {}).get("content"))
    return said or str(event.get("type", "")).endswith((".partial_image", "_text.delta"))


def broken(fault: Fault, reply: Reply) -> Reply:
    """Change the bytes of a ready answer."""
    whole = b"".join(c for c in reply.chunks if isinstance(c, bytes))
    if fault.name == "truncated":
        reply.chunks = (whole[: max(1, len(whole) * 2 // 3)], Cut("close"))
    elif fault.name == "bad-json":
        bad = whole[:-2] + b",,"
        reply.chunks, reply.length = (bad,), len(bad)
    elif fault.name == "200-html":
        reply.chunks, reply.length = (_PAGE,), len(_PAGE)
        reply.headers = [h for h in reply.headers if h[0] != "content-type"]
        reply.headers.append(("content-type", "text/html"))
    elif fault.name == "gzip-bomb":
        bomb = _bomb()
        reply.chunks, reply.length = (bomb,), len(bomb)
        reply.headers.append(("content-encoding", "gzip"))
    elif fault.name == "huge":
        reply.chunks, reply.length = _endless(whole), None
    elif fault.name == "drip":
        reply.chunks = _dripping(whole)
    return reply


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    return gzip.compress(bytes(2**28), 1)


def _endless(whole: bytes) -> Iterator[bytes]:
    yield whole[:-1]
    piece = b" " * _PIECE
    for _ in range(2048):
        yield piece
    yield whole[-1:]


def _dripping(whole: bytes) -> Iterator[bytes | Pause]:
    for i in range(len(whole)):
        yield Pause(1.0)
        yield whole[i : i + 1]
