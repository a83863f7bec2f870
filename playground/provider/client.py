"""The only home of the openai SDK: one request out, one outcome back, nothing hidden.

The SDK's retries are off (it would bill a lost answer up to three times) and redirects are not
followed (they would carry prompt and photo elsewhere). Retries belong to the runner, which books
each attempt. `Client.perform` returns an outcome for whatever the API or the network does.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx2

from playground.catalog import Rates
from playground.errors import PlaygroundError
from playground.provider import asking, outcomes, refusals
from playground.provider.live import Live
from playground.provider.redact import guard_logs, removable, without_secrets
from playground.provider.transport import (
    MEBIBYTE,
    AnswerTooLarge,
    Exchange,
    Handler,
    InProcessTransport,
    SpoolTransport,
    origin_of,
)
from playground.values import (
    Captioned,
    CaptionRequest,
    EditRequest,
    Failed,
    Generated,
    Outcome,
    Receipt,
    Request,
    Unknown,
    Upload,
)

if TYPE_CHECKING:
    import openai

    from playground.provider.batches import Batches
    from playground.provider.wire import Wire

OPENAI_ORIGIN = "https://api.openai.com"
OFFLINE_BASE_URL = "http://offline.invalid/v1"
NO_KEY = "local"

CONNECT_SECONDS = 10.0
IMAGE_SECONDS = 600.0
CAPTION_SECONDS = 180.0
FLEX_SECONDS = 900.0
_CAPTION_LIMIT_BYTES = 32 * MEBIBYTE
_IMAGE_LIMIT_BYTES = 512 * MEBIBYTE
_LARGEST_PIXELS = 8_294_400

# What fails before a byte of the request can have been processed.
_NEVER_LEFT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


class Client:
    """A provider to ask, made by `playground.connect`.

    Attributes:
        provider: `offline`, `openai`, or the host of another endpoint.
        base_url: where requests go.
        is_sample: whether answers are samples of the embedded provider.
        rates: dollars per million tokens by bucket that replace the catalog's, or None.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        *,
        transport: httpx2.BaseTransport,
        api_key: str | None = None,
        is_sample: bool = False,
        rates: Rates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.base_url = base_url
        self.is_sample = is_sample
        self.rates = rates
        # Whether `base_url` is spoken to without a proxy (`connect` knows).
        self.direct = False
        self._remember: Callable[[Path], None] | None = None
        self._clock = clock
        self._host = urlsplit(base_url).netloc if provider != "offline" else "the offline provider"
        self._secrets = removable(api_key)
        origin = origin_of(httpx2.URL(base_url))
        # OpenAI's own API (and the embedded one) take every parameter; others get the plain ones.
        self._full = is_sample or origin == OPENAI_ORIGIN
        guard_logs(self._secrets)
        self._transport = SpoolTransport(
            transport,
            origin=origin,
            authorization=f"Bearer {api_key or NO_KEY}",
            secrets=self._secrets,
            plain=origin != OPENAI_ORIGIN,
            clock=clock,
        )
        self._http = httpx2.Client(
            transport=self._transport, follow_redirects=False, trust_env=False
        )
        self._sdk: openai.OpenAI | None = None
        self._making = threading.Lock()

    @property
    def _api(self) -> openai.OpenAI:
        """The SDK, loaded for the first call that needs it: that takes a second."""
        with self._making:
            if self._sdk is None:
                import openai

                # It gets a placeholder: the transport puts the key on the wire, so that no frame
                # of the SDK holds it when a traceback with all variables is printed.
                self._sdk = openai.OpenAI(
                    api_key=NO_KEY,
                    base_url=self.base_url,
                    max_retries=0,
                    http_client=self._http,
                )
            return self._sdk

    @classmethod
    def offline(
        cls,
        app: Handler,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """A client of an embedded application in this process: no key, no network."""
        client = cls(
            "offline",
            OFFLINE_BASE_URL,
            transport=InProcessTransport(app, sleep),
            is_sample=True,
            clock=clock,
        )
        desk = getattr(app, "desk", None)
        client._remember = None if desk is None else desk.remember_in
        return client

    def __repr__(self) -> str:
        return f"<Client {self.provider} {self.base_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client cannot be used any more."""
        self._http.close()

    def perform(
        self,
        request: Request,
        *,
        attempt_id: str,
        spool: Path,
        uploads: Sequence[Upload] = (),
        mask: Upload | None = None,
        prompt: str | None = None,
        schema: Mapping[str, Any] | None = None,
        on_partial: Callable[[int, bytes], None] | None = None,
        on_text: Callable[[str], None] | None = None,
        timeout_seconds: float | None = None,
        limit_bytes: int | None = None,
    ) -> Outcome:
        """Send a request once and return what came of it; trouble is a value, not an exception.

        Args:
            attempt_id: goes out as the client request id; each may be sent once.
            spool: where the raw answer goes, `<name>.part` and then `<name>.body`.
            uploads: the pictures of an edit in their order, or the one photo of a caption.
            prompt: words for a caption; None takes the request's own, else the task's.
            schema: JSON schema that a caption must follow; None takes the task's.
            on_partial: called with index and bytes of each draft of a streamed picture.
            on_text: called with each piece of a caption; makes it stream.
            timeout_seconds: for the whole answer.
            limit_bytes: largest answer that is read; more is cut off and unknown.
        """
        seconds = timeout_seconds or patience(request)
        exchange = Exchange(
            spool=spool,
            limit_bytes=limit_bytes or limit_of(request),
            deadline=self._clock() + seconds,
        )
        options: dict[str, Any] = {
            "extra_headers": {"X-Client-Request-Id": attempt_id},
            "timeout": httpx2.Timeout(seconds, connect=CONNECT_SECONDS, pool=seconds),
        }
        live = Live(on_partial, on_text) if on_partial or on_text else None
        started = self._clock()
        trouble: Exception | None = None
        self._transport.begin(attempt_id, exchange)
        try:
            call = self._call(request, uploads, mask, prompt, schema, stream=on_text is not None)
            with call(**options) as response:
                for chunk in response.iter_bytes():
                    if live is not None:
                        live.feed(chunk)
        except PlaygroundError as problem:
            return Failed("bad_request", str(problem))
        except Exception as problem:
            trouble = problem
        finally:
            self._transport.end(attempt_id)
        outcome = self.outcome_of(request, exchange, trouble)
        return _finished(outcome, self._clock() - started, live)

    def wire(self) -> Wire | None:
        """The same provider for many captions from one event loop; None where only the SDK can.

        To be called, used and closed in that loop.
        """
        if not self.direct:
            return None
        from playground.provider.wire import Wire

        return Wire(
            self,
            authorization=self._transport.authorization or "",
            secrets=self._secrets,
            connect_seconds=CONNECT_SECONDS,
            clock=self._clock,
        )

    @property
    def batches(self) -> Batches:
        """The provider's files and batches."""
        from playground.provider.batches import Batches

        return Batches(self, lambda: self._api)

    def remember_in(self, folder: Path) -> None:
        """Let an embedded provider in this process keep its files and batches in `folder`.

        They are gone with the process otherwise. Other providers keep their own.
        """
        if self._remember is not None:
            self._remember(folder)

    @property
    def full(self) -> bool:
        """Whether the endpoint takes every parameter of OpenAI's own API."""
        return self._full

    @staticmethod
    def timed(outcome: Outcome, seconds: float) -> Outcome:
        """The outcome with how long it took."""
        return _finished(outcome, seconds, None)

    def _call(
        self,
        request: Request,
        uploads: Sequence[Upload],
        mask: Upload | None,
        prompt: str | None,
        schema: Mapping[str, Any] | None,
        *,
        stream: bool,
    ) -> Callable[..., Any]:
        """The SDK's method with the request's fields; it takes headers and timeout."""
        if isinstance(request, EditRequest):
            fields = asking.edit_fields(request, uploads, mask, full=self._full)
            return partial(self._api.images.with_streaming_response.edit, **fields)
        if not isinstance(request, CaptionRequest):
            fields = asking.image_fields(request, full=self._full)
            return partial(self._api.images.with_streaming_response.generate, **fields)
        fields = asking.caption_fields(
            request, uploads, prompt, schema, full=self._full, stream=stream
        )
        # The fields are in wire form already; the SDK's typed way would walk through all of them
        # to find that out, which costs more than sending them.
        if request.endpoint == "responses":
            return partial(self._api.responses.with_streaming_response.create, extra_body=fields)
        return partial(
            self._api.chat.completions.with_streaming_response.create,
            model=request.model,
            messages=[],
            extra_body=fields,
        )

    def outcome_of(
        self, request: Request, exchange: Exchange, trouble: Exception | None
    ) -> Outcome:
        """What an exchange proves, with the exception that ended it, if any."""
        if exchange.stage == "done":
            return _read(request, exchange)
        cause = exchange.trouble or trouble
        if exchange.stage == "local" and isinstance(cause, OSError):
            why = cause.strerror or type(cause).__name__
            message = (
                f"The answer could not have been kept ({why} at {exchange.part}). Nothing was "
                "sent and nothing was billed; free or unlock that disk."
            )
            return Failed("not_sent", message)
        if exchange.stage == "local" or isinstance(cause, _NEVER_LEFT):
            return refusals.not_sent(self._why(cause), self._host)
        receipt = Receipt(status=exchange.status)
        if exchange.stage == "answering" and not isinstance(cause, AnswerTooLarge):
            # What arrived may prove something: a refusal, or a stream's final event.
            outcome = _read(request, exchange)
            if not isinstance(outcome, Unknown):
                return outcome
            receipt = outcome.receipt
        kind, what = _what_happened(cause, self._host, exchange)
        return refusals.lost(kind, what, receipt)

    def _why(self, problem: Exception | None) -> str:
        text = without_secrets(str(problem or ""), self._secrets)
        name = type(problem).__name__ if problem is not None else "unknown"
        return (
            text[:200] if text and isinstance(problem, httpx2.HTTPError) else f"{name} {text}"[:200]
        )


def _read(request: Request, exchange: Exchange) -> Outcome:
    if exchange.memory is not None:
        return outcomes.read_bytes(request, bytes(exchange.memory))
    if exchange.stage == "done" and exchange.small is not None:
        return outcomes.read_bytes(request, bytes(exchange.small))
    path = exchange.body if exchange.stage == "done" else exchange.part
    return outcomes.read_spool(request, path)


def _what_happened(cause: Exception | None, host: str, exchange: Exchange) -> tuple[Any, str]:
    if isinstance(cause, AnswerTooLarge):
        return "unreadable", f"{host} sent more than {exchange.limit_bytes:,} bytes"
    if _is_timeout(cause):
        if exchange.received_bytes:
            return "timeout", f"{host} did not finish its answer in time"
        return "timeout", f"{host} did not answer in time"
    if exchange.received_bytes or exchange.stage == "answering":
        return "connection_lost", f"The connection to {host} broke in the middle of the answer"
    return "connection_lost", f"The connection to {host} broke before an answer came"


def _is_timeout(cause: Exception | None) -> bool:
    # The SDK is loaded only where it was used.
    sdk = sys.modules.get("openai")
    return isinstance(cause, httpx2.TimeoutException) or (
        sdk is not None and isinstance(cause, sdk.APITimeoutError)
    )


def _finished(outcome: Outcome, seconds: float, live: Live | None) -> Outcome:
    outcome = replace(outcome, receipt=replace(outcome.receipt, seconds=round(seconds, 6)))
    if live is not None and live.trouble is not None and isinstance(outcome, Generated | Captioned):
        name = type(live.trouble).__name__
        problem = f"showing it while it arrived failed ({name}); the result is complete"
        return replace(outcome, problems=(*outcome.problems, problem))
    return outcome


def patience(request: Request) -> float:
    """Seconds that the whole answer may take."""
    if request.tier == "flex":
        return FLEX_SECONDS
    return CAPTION_SECONDS if isinstance(request, CaptionRequest) else IMAGE_SECONDS


def limit_of(request: Request) -> int:
    """Room for every picture as uncompressed RGBA in base64, drafts included."""
    if isinstance(request, CaptionRequest):
        return _CAPTION_LIMIT_BYTES
    pixels = request.asked_size.pixels if request.asked_size else _LARGEST_PIXELS
    pictures = request.n * (1 + request.partial_images)
    return min(_IMAGE_LIMIT_BYTES, 32 * MEBIBYTE + pictures * pixels * 16 // 3)
