"""Files and batches of a provider: one question out, one value back, nothing repeated here.

These calls cost nothing by themselves but for `create`, from which on every line of the file will
be billed. An answer to it that is lost leaves a batch that perhaps exists: `find` looks for it
by the mark in its metadata (the list cannot be filtered), before anybody makes another.

Uploads and downloads are streamed: neither is ever held in memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from playground.provider import refusals
from playground.provider.redact import without_secrets
from playground.provider.stream import Unreadable, loads
from playground.provider.transport import MEBIBYTE, Exchange
from playground.render import one_line
from playground.values import CaptionRequest, Failed, Receipt, Unknown

if TYPE_CHECKING:
    import openai

    from playground.provider.client import Client

# Of the real API: guides/batch, read 2026-07-19. "200 MB" is taken as the smaller of its meanings.
MAX_LINES = 50_000
MAX_BYTES = 200_000_000
MARK = "playground_batch"
ENDPOINTS = {"responses": "/v1/responses", "chat": "/v1/chat/completions"}
RUNNING = frozenset({"validating", "in_progress", "finalizing", "cancelling"})

_ASK_SECONDS = 60.0
_UPLOAD_SECONDS = 3600.0
_ASK_BYTES = 32 * MEBIBYTE
_CONTENT_BYTES = 2048 * MEBIBYTE
_PAGE, _PAGES = 100, 50
_CONNECT_SECONDS = 10.0
# Refusals are read as those of any other call; which one does not matter.
_NOBODY = CaptionRequest()


@dataclass(frozen=True, slots=True)
class BatchState:
    """What the provider says about a batch.

    Attributes:
        status: validating, in_progress, finalizing, completed, failed, expired, cancelling or
            cancelled.
        total, completed, failed: lines; None where the provider does not count them.
        input_tokens, output_tokens: of all lines that were answered, None where it does not say.
        errors: why it failed, with the codes.
    """

    id: str
    status: str
    input_file_id: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    total: int | None = None
    completed: int | None = None
    failed: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[tuple[str, str], ...] = ()
    created_at: int = 0
    expires_at: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status not in RUNNING


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that the provider keeps."""

    id: str
    size_bytes: int


class Batches:
    """The batch endpoints of one client's provider. Outcomes are values, as in `perform`."""

    def __init__(self, client: Client, sdk: Callable[[], openai.OpenAI]) -> None:
        self._client, self._sdk = client, sdk

    def upload(
        self, path: Path, scratch: Path, *, name: str = "batch.jsonl"
    ) -> Uploaded | Failed | Unknown:
        """Upload a JSONL file of requests. Costs nothing.

        Args:
            scratch: a folder for the raw answer, which is removed when it was read.
            name: the file's at the provider; one that says nothing.
        """
        with path.open("rb") as file:
            made = self._ask(
                scratch,
                lambda api: api.files.with_streaming_response.create,
                {"file": (name, file, "application/jsonl"), "purpose": "batch"},
                seconds=_UPLOAD_SECONDS,
            )
        if not isinstance(made, dict):
            return made
        if not isinstance(made.get("id"), str):
            return _odd("the upload", made)
        return Uploaded(made["id"], int(made.get("bytes") or 0))

    def uploaded(self, name: str, scratch: Path) -> Uploaded | None:
        """The newest uploaded file with this name, as far as the first pages of the list show."""
        fields: dict[str, Any] = {"limit": _PAGE, "purpose": "batch", "order": "desc"}
        page = self._ask(scratch, lambda api: api.files.with_streaming_response.list, fields)
        data = page.get("data") if isinstance(page, dict) else None
        for one in data if isinstance(data, list) else []:
            if isinstance(one, dict) and one.get("filename") == name and _text(one.get("id")):
                return Uploaded(one["id"], _count(one.get("bytes")) or 0)
        return None

    def create(
        self, file_id: str, endpoint: str, mark: str, scratch: Path
    ) -> BatchState | Failed | Unknown:
        """Make a batch of an uploaded file. From here on its lines are billed as they are done.

        Args:
            endpoint: the path that every line asks, as in `ENDPOINTS`.
            mark: identity of the batch on our side; stands in its metadata.
        """
        fields = {
            "input_file_id": file_id,
            "endpoint": endpoint,
            "completion_window": "24h",
            "metadata": {MARK: mark},
        }
        made = self._ask(scratch, lambda api: api.batches.with_streaming_response.create, fields)
        return _state(made)

    def retrieve(self, batch_id: str, scratch: Path) -> BatchState | Failed | Unknown:
        """How far a batch is."""
        made = self._ask(
            scratch,
            lambda api: api.batches.with_streaming_response.retrieve,
            {"batch_id": batch_id},
        )
        return _state(made)

    def cancel(self, batch_id: str, scratch: Path) -> BatchState | Failed | Unknown:
        """Ask for the end of a batch; what is done by then is delivered and billed."""
        made = self._ask(
            scratch,
            lambda api: api.batches.with_streaming_response.cancel,
            {"batch_id": batch_id},
        )
        return _state(made)

    def find(
        self, mark: str, scratch: Path, *, since: float = 0.0
    ) -> list[BatchState] | Failed | Unknown:
        """The batches with this mark in their metadata, newest first; all that were looked at.

        Args:
            since: batches that were created earlier (seconds since 1970) are not looked for.
        """
        found: list[BatchState] = []
        fields: dict[str, Any] = {"limit": _PAGE}
        for _ in range(_PAGES):
            page = self._ask(
                scratch, lambda api: api.batches.with_streaming_response.list, dict(fields)
            )
            if not isinstance(page, dict):
                return page
            data = page.get("data")
            states = [_state(one) for one in data] if isinstance(data, list) else []
            known = [one for one in states if isinstance(one, BatchState)]
            found += [one for one in known if one.metadata.get(MARK) == mark]
            older = bool(known) and min(one.created_at for one in known) < since
            if not page.get("has_more") or not known or older:
                return found
            fields["after"] = known[-1].id
        return _odd("the list of batches", {})

    def content(self, file_id: str, target: Path) -> Path | Failed | Unknown:
        """Download a file of answers to `target`, whole or not at all."""
        scratch = target.parent
        spool = scratch / f"batch-{secrets.token_hex(8)}"
        answer = self._exchange(
            spool,
            lambda api: api.files.with_streaming_response.content,
            {"file_id": file_id},
            seconds=_UPLOAD_SECONDS,
            limit_bytes=_CONTENT_BYTES,
        )
        if not isinstance(answer, Exchange):
            return answer
        try:
            answer.body.rename(target)
        except OSError:
            return refusals.lost("unreadable", "The file could not be kept on this disk", Receipt())
        return target

    def delete(self, file_id: str, scratch: Path) -> bool:
        """Remove a file at the provider; whether that worked."""
        made = self._ask(
            scratch, lambda api: api.files.with_streaming_response.delete, {"file_id": file_id}
        )
        return isinstance(made, dict)

    # -- one exchange --------------------------------------------------------------------------

    def _ask(
        self,
        scratch: Path,
        method: Callable[[openai.OpenAI], Any],
        fields: Mapping[str, Any],
        *,
        seconds: float = _ASK_SECONDS,
    ) -> dict[str, Any] | Failed | Unknown:
        spool = scratch / f"batch-{secrets.token_hex(8)}"
        answer = self._exchange(spool, method, fields, seconds=seconds, limit_bytes=_ASK_BYTES)
        if not isinstance(answer, Exchange):
            return answer
        try:
            data = bytes(answer.memory) if answer.memory is not None else answer.body.read_bytes()
            document, _ = loads(data, data.find(b"\n") + 1)
        except (OSError, Unreadable):
            document = None
        finally:
            answer.body.unlink(missing_ok=True)
        if not isinstance(document, dict):
            return refusals.lost("unreadable", "The provider's answer cannot be read", Receipt())
        return document

    def _exchange(
        self,
        spool: Path,
        method: Callable[[openai.OpenAI], Any],
        fields: Mapping[str, Any],
        *,
        seconds: float,
        limit_bytes: int,
    ) -> Exchange | Failed | Unknown:
        """The whole answer of status 200 in its spool file, or what happened instead."""
        client = self._client
        name = spool.name
        exchange = Exchange(spool, limit_bytes, client._clock() + seconds)
        trouble: Exception | None = None
        client._transport.begin(name, exchange)
        try:
            call = method(self._sdk())
            wait = httpx2.Timeout(seconds, connect=_CONNECT_SECONDS, pool=seconds)
            headers = {"X-Client-Request-Id": name}
            with call(**fields, extra_headers=headers, timeout=wait) as response:
                for _ in response.iter_bytes():
                    pass
        except Exception as problem:
            trouble = problem
        finally:
            client._transport.end(name)
        if exchange.stage == "done" and 200 <= (exchange.status or 0) < 300:
            return exchange
        try:
            outcome = client.outcome_of(_NOBODY, exchange, trouble)
            if isinstance(outcome, Failed | Unknown):
                return _plain(outcome)
            return refusals.lost("unreadable", "The provider's answer cannot be read", Receipt())
        finally:
            for path in (exchange.part, exchange.body):
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def _plain(outcome: Failed | Unknown) -> Failed | Unknown:
    """Without the sentence about held money: none is held for these calls themselves."""
    if isinstance(outcome, Failed):
        return outcome
    what = outcome.message.partition(f". {refusals.HELD}")[0]
    return replace(outcome, message=f"{what}.")


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a downloaded file of answers, without the spool's own first line."""
    with path.open("rb") as file:
        file.readline()
        for line in file:
            if line.strip():
                yield line


def _state(document: dict[str, Any] | Failed | Unknown) -> BatchState | Failed | Unknown:
    if not isinstance(document, dict):
        return document
    batch_id, status = document.get("id"), document.get("status")
    if not isinstance(batch_id, str) or not isinstance(status, str):
        return _odd("the batch", document)
    counts, usage = _part(document, "request_counts"), _part(document, "usage")
    errors = _part(document, "errors").get("data")
    listed = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    return BatchState(
        id=batch_id,
        status=status,
        input_file_id=str(document.get("input_file_id") or ""),
        output_file_id=_text(document.get("output_file_id")),
        error_file_id=_text(document.get("error_file_id")),
        total=_count(counts.get("total")),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        input_tokens=_count(usage.get("input_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        metadata={str(k): str(v) for k, v in _part(document, "metadata").items()},
        errors=tuple((_said(one.get("code")), _said(one.get("message"))) for one in listed[:20]),
        created_at=_count(document.get("created_at")) or 0,
        expires_at=_count(document.get("expires_at")),
    )


def _odd(what: str, document: Mapping[str, Any]) -> Unknown:
    said = f" ({', '.join(map(str, list(document)[:5]))})" if document else ""
    return refusals.lost("unreadable", f"The answer about {what} makes no sense{said}", Receipt())


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _said(value: Any) -> str:
    return one_line(without_secrets(str(value or "")), 200)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
