"""How the embedded provider talks: one call in, one reply out, no sockets, no sleeping.

A reply says how long it takes (`wait_seconds`, `Pause`) and how it breaks (`Cut`); the
in-process transport and the loopback server turn that into real time and real sockets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from playground.values import Tier, Usage


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. Header names are lower case; the path has no query, which is apart."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    query: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing happens for so long, in the middle of an answer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends here: refused, reset, or closed before the announced length."""

    kind: Literal["refuse", "reset", "close"]


@dataclass(slots=True)
class Reply:
    """One HTTP answer. `cut` ends the connection instead of the status line.

    `length` announces a Content-Length; None means chunked.
    """

    status: int
    chunks: Iterable[bytes | Pause | Cut] = ()
    headers: list[tuple[str, str]] = field(default_factory=list)
    wait_seconds: float = 0.0
    cut: Cut | None = None
    length: int | None = None


class ApiError(Exception):
    """A refusal in the API's words: HTTP status and `error` object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers: list[tuple[str, str]] = []
        self.error: dict[str, Any] = {
            "message": message,
            "type": kind,
            "param": param,
            "code": code,
            **(extra or {}),
        }

    def body(self) -> bytes:
        """The JSON body, as the API sends it."""
        return json.dumps({"error": self.error}, indent=2).encode()


def json_reply(status: int, document: Any, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    """A whole JSON answer."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Reply(
        status,
        chunks=(body,),
        headers=[("content-type", "application/json"), *headers],
        length=len(body),
    )


@dataclass(slots=True)
class Answer:
    """What a paid call would be answered: JSON, or the events of a stream, and its true bill.

    `events` are documents and pauses; `named` says whether their type is repeated as the event's
    name. `document` (JSON) and the event that carries the usage hold the reported figures, which
    a fault may falsify; `usage` is what is really billed.
    """

    model: str
    tier: Tier
    usage: Usage
    document: dict[str, Any]
    events: list[dict[str, Any] | Pause] | None = None
    named: bool = True
    limit_tokens: int = 0

    @property
    def bill(self) -> dict[str, Any]:
        """The document that reports the usage: the whole answer, or a stream's last words."""
        if self.events is None:
            return self.document
        documents = [event for event in self.events if isinstance(event, dict)]
        last = next((e for e in reversed(documents) if _carries_usage(e)), self.document)
        response = last.get("response")
        return response if isinstance(response, dict) else last


def _carries_usage(document: Mapping[str, Any]) -> bool:
    response = document.get("response")
    return bool(document.get("usage") or (isinstance(response, dict) and response.get("usage")))


def event(document: Mapping[str, Any], *, named: bool = True) -> bytes:
    """One server-sent event; the Images and Responses APIs name theirs, chat does not."""
    data = json.dumps(document)
    name = f"event: {document['type']}\n" if named and "type" in document else ""
    return f"{name}data: {data}\n\n".encode()
