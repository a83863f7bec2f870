"""One reading of an answer, live and after a crash: request and spool file in, outcome out.

200 with usage                     Generated or Captioned, even when the payload is unusable
200 without a bill to trust        Unknown: it stays held
a refusal before any work          Failed: nothing was billed
5xx, cut, unreadable               Unknown
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playground.provider import magic, refusals, usage
from playground.provider.redact import without_secrets
from playground.provider.stream import Buffer, Unreadable, decode, events, loads
from playground.render import one_line
from playground.values import (
    Captioned,
    CaptionRequest,
    EditRequest,
    Failed,
    Generated,
    MadeImage,
    Outcome,
    Receipt,
    Request,
    Tier,
    Unknown,
    Usage,
)

_TIERS: dict[str, Tier] = {
    "default": "standard",
    "standard": "standard",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
_ECHOED = ("model", "size", "quality", "background", "output_format", "service_tier")
_SAMPLE_HEADER = "x-playground-sample"
# Larger spool files are mapped instead of read.
_SMALL_BYTES = 65_536


def read_spool(request: Request, path: Path) -> Outcome:
    """The outcome that a spool file proves, for the request that was sent.

    A `.part` file (the answer was cut) is read as well: a stream whose final event arrived is
    evidence enough.
    """
    with path.open("rb") as file:
        small = file.read(_SMALL_BYTES + 1)
        if len(small) <= _SMALL_BYTES:
            return read_bytes(request, small)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return read_bytes(request, data)


def read_bytes(request: Request, data: Buffer) -> Outcome:
    """As `read_spool`, for the file's bytes."""
    start = data.find(b"\n") + 1
    try:
        head = json.loads(data[: max(start - 1, 0)])
        status, url = int(head["status"]), str(head["url"])
        headers = {name.lower(): value for name, value in head["headers"]}
    except (ValueError, KeyError, TypeError):
        return refusals.lost("unreadable", "The spooled answer is damaged", Receipt())
    return parse(request, status, headers, data, start=start, url=url)


def parse(
    request: Request,
    status: int,
    headers: Mapping[str, str],
    body: Buffer,
    *,
    start: int = 0,
    url: str = "",
) -> Outcome:
    """The outcome of one answer.

    Args:
        headers: lower-case names.
        body: JSON or server-sent events, from index `start` on.
        url: where it came from, for the messages.
    """
    host = urlsplit(url).netloc or "the provider"
    receipt = _receipt(status, headers)
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"} and 200 <= status < 300:
        what = f"{host} compressed its answer ({encoding[:20]}) although it was asked not to"
        return refusals.lost("unreadable", what, receipt)
    if not 200 <= status < 300:
        return refusals.refused(status, _error(body, start), receipt, headers, host)
    try:
        if _is_stream(headers, body, start):
            if isinstance(request, CaptionRequest):
                return _streamed_caption(request, body, start, receipt, host)
            return _streamed_images(request, body, start, receipt, host)
        document, blobs = loads(body, start)
        if isinstance(request, CaptionRequest):
            return _caption(request, document, receipt, host)
        return _images(request, document, blobs, receipt, host)
    except Unreadable as problem:
        what = f"The answer of {host} cannot be read: {problem}"
        return refusals.lost("unreadable", what, receipt)
    except usage.NoUsage as problem:
        what = f"The answer of {host} is no bill to trust: {problem}"
        return refusals.lost("no_usage", what, receipt)


def _images(
    request: Request, document: Any, blobs: list[bytes], receipt: Receipt, host: str
) -> Outcome:
    if not isinstance(document, Mapping):
        msg = "it is not a JSON object"
        raise Unreadable(msg)
    receipt = _with_echo(receipt, document)
    if not isinstance(document.get("usage"), Mapping) and (error := refusals.error_of(document)):
        return _late_error(error, receipt, host)
    bill = usage.image_usage(document, pictures_sent=isinstance(request, EditRequest))
    data = document.get("data")
    items = data if isinstance(data, list) else []
    return _generated(request, items, blobs, bill, receipt)


def _streamed_images(
    request: Request, body: Buffer, start: int, receipt: Receipt, host: str
) -> Outcome:
    assert not isinstance(request, CaptionRequest)
    finals: list[tuple[Mapping[str, Any], bytes]] = []
    partials = 0
    for data in events(body, start):
        if data.startswith(b"[DONE]"):
            break
        # Drafts are only counted: decoding them here would cost memory for nothing.
        if b'.partial_image"' in data[:400] or b'.partial_image"' in data[-400:]:
            partials += 1
            continue
        event, blobs = loads(data)
        if not isinstance(event, Mapping):
            continue
        if error := _stream_error(event):
            return _late_error(error, receipt, host, worked=bool(partials or finals))
        if str(event.get("type", "")).endswith(".completed"):
            final = (event, blobs[0] if blobs else b"")
            # A repeated final event is the same picture and the same bill once more.
            if final not in finals and len(finals) < request.n:
                finals.append(final)
    if len(finals) < request.n:
        what = (
            f"The stream of {host} ended before the "
            f"{'picture was' if request.n == 1 else 'pictures were'} complete "
            f"({partials} drafts, {len(finals)} of {request.n} pictures arrived)"
        )
        return refusals.lost("connection_lost", what, receipt)
    edit = isinstance(request, EditRequest)
    bill = usage.added([usage.image_usage(event, pictures_sent=edit) for event, _ in finals])
    items = [{**event, "b64_json": str(index)} for index, (event, _) in enumerate(finals)]
    receipt = _with_echo(receipt, finals[0][0])
    return _generated(request, items, [blob for _, blob in finals], bill, receipt)


def _generated(
    request: Request, items: list[Any], blobs: list[bytes], bill: Usage, receipt: Receipt
) -> Generated:
    assert not isinstance(request, CaptionRequest)
    images: list[MadeImage] = []
    problems: list[str] = []
    revised: str | None = None
    for slot, item in enumerate(items):
        name = f"picture {slot + 1}"
        if not isinstance(item, Mapping):
            problems.append(f"{name} is not in the answer's format")
            continue
        if isinstance(item.get("revised_prompt"), str):
            revised = revised or item["revised_prompt"]
        index = item.get("b64_json")
        if not isinstance(index, str):
            problems.append(
                f"{name} came as a link instead of data, and links are not followed"
                if item.get("url")
                else f"{name} is missing from its item"
            )
            continue
        blob, blobs[int(index)] = blobs[int(index)], b""
        data = decode(blob)
        if data is None:
            problems.append(f"{name} is not valid base64")
            continue
        found = magic.picture(data)
        if found is None:
            problems.append(f"{name} is {magic.what_instead(data)}")
            continue
        if found[0] != request.output_format:
            problems.append(f"{name} is a {found[0]} although {request.output_format} was asked")
        images.append(MadeImage(data, found[0], found[1], slot))
    if len(items) != request.n:
        problems.append(f"{len(items)} of {request.n} pictures were delivered and billed")
    return Generated(tuple(images), bill, receipt, revised, tuple(problems))


def _caption(request: CaptionRequest, document: Any, receipt: Receipt, host: str) -> Outcome:
    if not isinstance(document, Mapping):
        msg = "it is not a JSON object"
        raise Unreadable(msg)
    receipt = _with_echo(receipt, document)
    if not isinstance(document.get("usage"), Mapping) and (error := refusals.error_of(document)):
        return _late_error(error, receipt, host)
    chat = "choices" in document
    bill = usage.caption_usage(document, chat=chat)
    text, finish = _chat_words(document) if chat else _response_words(document)
    outcome = _captioned(request, text, finish, bill, receipt)
    if error := refusals.error_of(document):
        said = one_line(without_secrets(str(error.get("message", ""))), 200)
        return replace(outcome, problems=(*outcome.problems, f"the model stopped: {said}"))
    return outcome


def _streamed_caption(
    request: CaptionRequest, body: Buffer, start: int, receipt: Receipt, host: str
) -> Outcome:
    words: list[str] = []
    finish = ""
    last: Mapping[str, Any] = {}
    for data in events(body, start):
        if data.startswith(b"[DONE]"):
            break
        event, _ = loads(data)
        if not isinstance(event, Mapping):
            continue
        if error := _stream_error(event):
            return _late_error(error, receipt, host, worked=True)
        kind = event.get("type")
        if kind in {"response.completed", "response.incomplete", "response.failed"}:
            return _caption(request, event.get("response"), receipt, host)
        if "choices" in event:
            receipt = _with_echo(receipt, event)
            text, ended = _chat_words(event)
            words.append(text)
            finish = ended or finish
            if isinstance(event.get("usage"), Mapping):
                last = event
    if not last:
        what = f"The stream of {host} ended before its final event"
        return refusals.lost("connection_lost", what, receipt)
    bill = usage.caption_usage(last, chat=True)
    return _captioned(request, "".join(words), finish, bill, receipt)


def _captioned(
    request: CaptionRequest, text: str, finish: str, bill: Usage, receipt: Receipt
) -> Captioned:
    problems: list[str] = []
    if finish == "length":
        problems.append(
            f"the answer was cut at {request.max_output_tokens} tokens"
            if text
            else f"all {bill.text_output} answer tokens went into reasoning; allow more with "
            "max_output_tokens"
        )
    elif not text.strip():
        problems.append("the answer is empty")
    return Captioned(text, bill, receipt, finish or "stop", tuple(problems))


def _chat_words(document: Mapping[str, Any]) -> tuple[str, str]:
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        return "", ""
    message = choice.get("message", choice.get("delta"))
    message = message if isinstance(message, Mapping) else {}
    content, refusal = message.get("content"), message.get("refusal")
    if isinstance(content, list):
        content = "".join(p.get("text", "") for p in content if isinstance(p, Mapping))
    reason = choice.get("finish_reason")
    finish = {"length": "length", "content_filter": "filtered"}.get(str(reason), "")
    if isinstance(refusal, str) and refusal:
        return refusal, "refusal"
    return content if isinstance(content, str) else "", finish


def _response_words(document: Mapping[str, Any]) -> tuple[str, str]:
    words: list[str] = []
    finish = "stop"
    output = document.get("output")
    for item in output if isinstance(output, list) else []:
        content = item.get("content") if isinstance(item, Mapping) else None
        if not isinstance(content, list) or item.get("type", "message") != "message":
            continue
        for part in content:
            if not isinstance(part, Mapping):
                continue
            if part.get("type") == "refusal":
                finish = "refusal"
            text = part.get("text", part.get("refusal"))
            words.append(text if isinstance(text, str) else "")
    details = document.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    if document.get("status") == "incomplete" or reason:
        finish = "filtered" if reason == "content_filter" else "length"
    return "".join(words), finish


def _stream_error(event: Mapping[str, Any]) -> Mapping[str, Any]:
    error = event.get("error")
    if isinstance(error, Mapping) and error:
        return error
    return event if event.get("type") == "error" else {}


def _late_error(
    error: Mapping[str, Any], receipt: Receipt, host: str, *, worked: bool = False
) -> Failed | Unknown:
    """An error inside an answer that began as a success: only a refusal up front is free."""
    code = error.get("code")
    if code == "moderation_blocked" and not worked:
        return refusals.moderated(error, receipt, host)
    said = one_line(without_secrets(str(error.get("message", ""))), 300)
    what = f"{host} gave up in the middle of the answer" + (f" (“{said}”)" if said else "")
    return refusals.lost("server_error", what, receipt)


def _is_stream(headers: Mapping[str, str], body: Buffer, start: int) -> bool:
    if "text/event-stream" in headers.get("content-type", ""):
        return True
    return body[start : start + 6] in {b"data: ", b"event:"}


def _error(body: Buffer, start: int) -> Mapping[str, Any]:
    try:
        return refusals.error_of(loads(body[start : start + 2**20])[0])
    except Unreadable:
        return {}


def _receipt(status: int, headers: Mapping[str, str]) -> Receipt:
    milliseconds = headers.get("openai-processing-ms", "")
    echoed = {"sample": "yes"} if headers.get(_SAMPLE_HEADER) else {}
    return Receipt(
        status=status,
        request_id=headers.get("x-request-id", "")[:200] or None,
        processing_ms=int(milliseconds)
        if milliseconds.isascii() and milliseconds.isdigit()
        else None,
        limits={
            name: value[:100]
            for name, value in headers.items()
            if name.startswith("x-ratelimit-") or name in {"retry-after", "retry-after-ms"}
        },
        echoed=echoed,
    )


def _with_echo(receipt: Receipt, document: Mapping[str, Any]) -> Receipt:
    echoed = dict(receipt.echoed)
    for name in _ECHOED:
        value = document.get(name)
        if isinstance(value, str):
            echoed[name] = value[:100]
    tier = _TIERS.get(echoed.get("service_tier", ""), receipt.tier)
    return replace(receipt, echoed=echoed, tier=tier)
