"""What an answer with an error means: was anything billed, and what to do next.

The rules are those of the money protocol: a refusal with evidence that no work was done releases
the reservation (`Failed`); whatever could have been billed stays held (`Unknown`).
"""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from typing import Any

from playground.provider.redact import without_secrets
from playground.render import one_line
from playground.values import Failed, FailureKind, Receipt, Unknown, UnknownKind

QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "account_deactivated",
        "credit_balance_exhausted",
        "quota_exceeded",
    }
)
_MODERATION_CODES = frozenset(
    {
        "moderation_blocked",
        "content_policy_violation",
        "content_filter",
        "image_generation_user_error",
    }
)
_NOT_BILLED = "Nothing was billed"
HELD = "It may have been billed, so its price stays held until you resolve it"


def is_quota(code: str | None, kind: str | None = None) -> bool:
    """Whether the money at the provider is used up: waiting does not help."""
    names = {code or "", kind or ""}
    return bool(names & QUOTA_CODES) or any(n.endswith("_spend_limit_exceeded") for n in names)


def refused(
    status: int, error: Mapping[str, Any], receipt: Receipt, headers: Mapping[str, str], host: str
) -> Failed | Unknown:
    """The outcome of an HTTP answer that is not a success.

    Args:
        error: the `error` object of the body, empty when there is none.
        headers: lower-case names.
        host: whom to name in messages.
    """
    said = _said(error)
    code = _text(error.get("code"))
    kind = _text(error.get("type"))
    if 300 <= status < 400:
        message = (
            f"{host} answered with a redirect ({status}), which is never followed because the "
            f"prompt and the key would go along. {_NOT_BILLED}; check the base URL."
        )
        return Failed("redirect", message, receipt, code=code)
    if status in {408, 409} or status >= 500 or status < 200:
        message = f"{host} failed ({status}{said}). {HELD}; try again if you accept a second bill."
        return Unknown("timeout" if status == 408 else "server_error", message, receipt)
    if is_quota(code, kind) or status == 402:
        message = (
            f"The account at {host} has no credit or has reached its spending limit{said}. "
            f"{_NOT_BILLED}; add credit or raise the limit there, waiting does not help."
        )
        return Failed("quota", message, receipt, code=code)
    if status == 429:
        wait = retry_after_seconds(headers)
        when = f"try again in {math.ceil(wait)} s" if wait is not None else "try again later"
        message = f"{host} limits the rate of requests{said}. {_NOT_BILLED}; {when}."
        return Failed("rate_limit", message, receipt, retry_after_seconds=wait, code=code)
    if code in _MODERATION_CODES or "moderation" in (kind or ""):
        return moderated(error, receipt, host)
    failure, advice = _advice(status, code, error, host)
    return Failed(failure, f"{advice[0]}{said}. {_NOT_BILLED}; {advice[1]}.", receipt, code=code)


def moderated(error: Mapping[str, Any], receipt: Receipt, host: str) -> Failed | Unknown:
    """A refusal by the safety system, before (not billed) or after the work (unknown)."""
    details = error.get("moderation_details")
    stage = error.get("moderation_stage") or (
        details.get("moderation_stage") if isinstance(details, Mapping) else None
    )
    said = _said(error)
    if stage == "output":
        message = (
            f"The safety system of {host} withheld the finished picture{said}. Whether that is "
            "billed is not documented, so its price stays held until you resolve it; change the "
            "prompt before you try again."
        )
        return Unknown("moderation_output", message, receipt)
    message = (
        f"The safety system of {host} refused the request{said}. {_NOT_BILLED}; change the "
        "prompt or the picture."
    )
    return Failed("moderation", message, receipt, code=_text(error.get("code")))


def not_sent(why: str, host: str) -> Failed:
    """The request never left: no network, no such host, no connection, no TLS."""
    message = (
        f"No connection to {host}: {why}. Nothing was sent and nothing was billed; check the "
        "network and the address."
    )
    return Failed("not_sent", without_secrets(message))


def lost(kind: UnknownKind, what: str, receipt: Receipt) -> Unknown:
    """The request went out and no usable answer came back."""
    return Unknown(kind, without_secrets(f"{what}. {HELD}."), receipt)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """How long the server asks to wait, in seconds from now; None when it does not say.

    A date is counted from the server's own `Date`, so that its clock may be wrong. Values that
    make no sense (negative, text) are ignored; very large ones are returned as they are.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    until = _date(value)
    if until is None:
        return None
    now = _date(headers.get("date", "")) or time.time()
    return max(0.0, until - now)


def _advice(
    status: int, code: str | None, error: Mapping[str, Any], host: str
) -> tuple[FailureKind, tuple[str, str]]:
    words = str(error.get("message", "")).lower()
    if status == 401:
        return "auth", (f"{host} refused the API key", "check OPENAI_API_KEY")
    if status == 403:
        if "verif" in words:
            return "permission", (
                f"{host} wants the organization to be verified before it uses this model",
                "verify it in the provider's settings, or choose another model",
            )
        return "permission", (
            f"{host} does not allow this key to do that",
            "check the key's permissions, or choose another model",
        )
    if status in {404, 405}:
        if code == "model_not_found" or "model" in words:
            return "not_found", (f"{host} has no such model", "see `playground models`")
        return "not_found", (
            f"{host} does not offer this kind of request ({status})",
            "check the base URL; for captions at an endpoint without /responses use "
            "--endpoint chat",
        )
    if status == 413:
        return "bad_request", (f"{host} found the request too large", "send a smaller picture")
    param = _text(error.get("param"))
    about = f" (its {param})" if param else ""
    return "bad_request", (
        f"{host} refused the request{about}",
        "change what it names and try again",
    )


def error_of(document: Any) -> Mapping[str, Any]:
    """The error object of a body, whatever its shape; empty when there is none."""
    if isinstance(document, Mapping):
        error = document.get("error", document.get("detail"))
        if isinstance(error, Mapping):
            return error
        if isinstance(error, str):
            return {"message": error}
        if isinstance(document.get("message"), str):
            return {
                name: document[name] for name in ("message", "code", "type") if name in document
            }
    return {}


def _said(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    if not isinstance(message, str) or not message.strip():
        return ""
    return f": “{one_line(without_secrets(message), 300).rstrip('.')}”"


def _text(value: Any) -> str | None:
    return one_line(without_secrets(value), 80) if isinstance(value, str) and value else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < math.inf else None


def _date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
