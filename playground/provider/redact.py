"""Keys out of everything: messages, headers, logs and the bytes of an answer.

An endpoint may echo the `Authorization` header back (in an error, a header, the body). What it
sends is scrubbed where it arrives, before anything else (the SDK, the spool, a log) sees it.
"""

from __future__ import annotations

import logging
import re

REMOVED = "[key removed]"
_REMOVED_BYTES = REMOVED.encode()

# Shorter "keys" are placeholders such as "local" or "none"; removing those would only garble text.
_SHORTEST_KEY = 8

_LOOKS_SECRET = re.compile(
    r"(?i:\bauthorization\b[\"']?\s*[:=]\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s\"',;]+"
    r"|(?i:\bbearer\s+)(?=[^\s\"',;]*\d)[^\s\"',;]{6,}"
    r"|\b(?:sk|sess|gsk|pk|rk)[-_][A-Za-z0-9_*-]{6,}"
)

# Loggers that may print headers as they came over the wire. Filters do not reach child loggers,
# so each is named. (The SDK's own loggers see only scrubbed values.)
_WIRE_LOGGERS = (
    "httpcore2.connection",
    "httpcore2.http11",
    "httpcore2.http2",
    "httpcore2.proxy",
    "httpcore2.socks",
    "httpx2",
    "openai",
    "openai._base_client",
)


def without_secrets(text: str, keys: tuple[str, ...] = ()) -> str:
    """The text without the given keys and without anything that looks like a bearer token."""
    for key in keys:
        if key and key in text:
            text = text.replace(key, REMOVED)
    return _LOOKS_SECRET.sub(REMOVED, text)


def removable(*keys: str | None) -> tuple[str, ...]:
    """The keys that are long enough to be secrets."""
    return tuple(key for key in keys if key and len(key) >= _SHORTEST_KEY)


class Scrubber:
    """Removes keys from a stream of bytes, also where a key is split between two chunks.

    Only bytes that could be the beginning of a key are held back, so that a streamed event is
    passed on as soon as it is whole.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = tuple(key.encode() for key in keys)
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that can be passed on now."""
        if not self._keys:
            return chunk
        data = self._held + chunk
        for key in self._keys:
            if key in data:
                data = data.replace(key, _REMOVED_BYTES)
        keep = max(_begun(data, key) for key in self._keys)
        self._held = data[len(data) - keep :] if keep else b""
        return data[: len(data) - keep] if keep else data

    def rest(self) -> bytes:
        """What was held back and turned out to be no key."""
        held, self._held = self._held, b""
        return held


def _begun(data: bytes, key: bytes) -> int:
    """How many bytes at the end of `data` are the beginning of `key`."""
    longest = min(len(key) - 1, len(data))
    start = data.find(key[:1], len(data) - longest) if longest else -1
    while start >= 0:
        if key.startswith(data[start:]):
            return len(data) - start
        start = data.find(key[:1], start + 1)
    return 0


class _Redact(logging.Filter):
    """Removes known keys from log records; the same instance serves all clients."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, without the keys."""
        message = record.getMessage()
        clean = without_secrets(message, tuple(self.keys))
        if clean != message:
            record.msg, record.args = clean, ()
        return True


_filter = _Redact()


def guard_logs(keys: tuple[str, ...]) -> None:
    """Keep these keys out of what the HTTP libraries log, whatever their level."""
    _filter.keys.update(keys)
    for name in _WIRE_LOGGERS:
        logger = logging.getLogger(name)
        if _filter not in logger.filters:
            logger.addFilter(_filter)
