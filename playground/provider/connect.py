"""Which provider, at which address, with which key: decided once, before anything is sent.

A key is only ever sent to the origin (scheme, host, port) that it was given for:

- `api_key=` together with `base_url=` belongs to that address; alone, to api.openai.com.
- `OPENAI_API_KEY` belongs to `PLAYGROUND_API_KEY_ORIGIN` where that is set, else to
  https://api.openai.com. An `OPENAI_BASE_URL` that points elsewhere is refused rather than
  trusted with it: the variable may come from a stranger's `.env` file.
- The system's keyring keeps keys by origin (`keys.stored`); it is read where the environment has
  none, and a prompt asks last, where the caller allows it.
- An address on this machine never gets a key that was not given for it; it is asked with a
  placeholder, because local servers usually need none.
- Plain http is spoken to this machine only.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from playground.errors import ProviderProblem
from playground.provider import keys

if TYPE_CHECKING:
    from playground.catalog import Rates
    from playground.provider.client import Client

OPENAI_BASE_URL = "https://api.openai.com/v1"
_OPENAI_ORIGIN = "https://api.openai.com"
PROVIDERS = ("offline", "openai")


def connect(
    provider: str | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    rates: Rates | None = None,
    environ: Mapping[str, str] | None = None,
    ask: bool = False,
) -> Client:
    """A client for the provider that the arguments and the environment name.

    `connect()` follows the environment: `PLAYGROUND_PROVIDER`, else openai where a key or a base
    URL is set, else the embedded offline provider. `connect("offline")` needs no key and no
    network. `connect(base_url="http://127.0.0.1:8000/v1")` asks a compatible server.

    Args:
        rates: dollars per million tokens by bucket, for models that the catalog does not know.
        environ: read instead of the process's environment.
        ask: ask for a missing key at a hidden prompt (terminal or notebook kernel).

    Raises:
        ProviderProblem: when the settings contradict each other, a key is missing, or a key
            would go to an origin that it was not given for. Nothing has been sent then.
    """
    made = _made(provider, base_url, api_key, rates, environ, ask)
    # A traceback that prints variables (%xmode Verbose) must find no key in this frame, and the
    # frames that decided are gone.
    del api_key, environ
    if isinstance(made, str):
        raise ProviderProblem(made)
    return made


def _made(
    provider: str | None,
    base_url: str | None,
    api_key: str | None,
    rates: Rates | None,
    environ: Mapping[str, str] | None,
    ask: bool,
) -> Client | str:
    """The client, or the sentence that says why there is none."""
    try:
        return _decided(provider, base_url, api_key, rates, environ, ask)
    except ProviderProblem as problem:
        return str(problem)


def _decided(
    provider: str | None,
    base_url: str | None,
    api_key: str | None,
    rates: Rates | None,
    environ: Mapping[str, str] | None,
    ask: bool,
) -> Client:
    environ = os.environ if environ is None else environ
    name = provider_name(provider, base_url=base_url, api_key=api_key, environ=environ)
    if name == "offline":
        return _offline(rates)
    address = base_url or environ.get("OPENAI_BASE_URL", "").strip() or OPENAI_BASE_URL
    parts = _checked(address)
    origin = _origin(parts)
    key = _key_for(origin, parts, base_url, api_key, environ, ask)
    return _networked(address, origin, parts, key, rates)


def provider_name(
    provider: str | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """`offline` or `openai` (which stands for every compatible endpoint too).

    Raises:
        ProviderProblem: for another name, or for offline together with an address.
    """
    environ = os.environ if environ is None else environ
    asked = provider or ("openai" if base_url or api_key else None)
    name = asked or environ.get("PLAYGROUND_PROVIDER", "").strip().lower() or None
    if name is None:
        known = (
            environ.get("OPENAI_API_KEY", "").strip() or environ.get("OPENAI_BASE_URL", "").strip()
        )
        name = "openai" if known else "offline"
    if name not in PROVIDERS:
        msg = f"{name!r} is not a provider; choose offline or openai"
        raise ProviderProblem(msg)
    if name == "offline" and (base_url or api_key):
        msg = (
            "The offline provider has no address and no key; leave out --provider offline to ask "
            "the address, or leave out the address. Nothing was sent."
        )
        raise ProviderProblem(msg)
    return name


def _offline(rates: Rates | None) -> Client:
    from playground.provider.client import Client
    from playground.provider.offline.app import OfflineApp

    client = Client.offline(OfflineApp())
    client.rates = rates
    return client


def _networked(
    address: str, origin: str, parts: SplitResult, key: str | None, rates: Rates | None
) -> Client:
    import httpx2

    from playground.provider.client import Client

    limits = httpx2.Limits(max_connections=256, max_keepalive_connections=64)
    local = _is_loopback(parts.hostname or "")
    proxy = None if local else _proxy(parts)
    provider = "openai" if origin == _OPENAI_ORIGIN else parts.netloc
    try:
        transport = httpx2.HTTPTransport(limits=limits, proxy=proxy, retries=0)
        client = Client(
            provider, address.rstrip("/"), transport=transport, api_key=key, rates=rates
        )
        client.direct = proxy is None
        return client
    except (httpx2.InvalidURL, ValueError):
        msg = f"{_shown(address)} is no address of a provider, or the proxy for it is none"
        raise ProviderProblem(msg) from None
    except ImportError:
        msg = "The proxy that the environment names is a SOCKS proxy: install socksio for it."
        raise ProviderProblem(msg) from None


def _checked(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), None
    if parts.scheme not in {"http", "https"} or not host or not host.isprintable() or " " in host:
        msg = f"{_shown(address)} is no address of a provider; write it as https://host/v1"
        raise ProviderProblem(msg)
    if parts.username or parts.password:
        msg = "An address must not carry a user name or password; nothing was sent."
        raise ProviderProblem(msg)
    if parts.query or parts.fragment:
        msg = f"{_origin(parts)}: a base URL has no query; nothing was sent."
        raise ProviderProblem(msg)
    if parts.scheme == "http" and not _is_loopback(host):
        msg = (
            f"{_origin(parts)} speaks plain http, which would show prompts, photos and keys to "
            "the network; use https, or a server on this machine. Nothing was sent."
        )
        raise ProviderProblem(msg)
    return parts


def _key_for(
    origin: str,
    parts: SplitResult,
    base_url: str | None,
    api_key: str | None,
    environ: Mapping[str, str],
    ask: bool,
) -> str | None:
    """The key for this origin, None for a placeholder; raises rather than sending it astray."""
    if api_key:
        _usable(api_key, "api_key")
        if base_url is None and origin != _OPENAI_ORIGIN:
            msg = (
                f"OPENAI_BASE_URL points to {origin}, and a key that is passed alone belongs to "
                f"{_OPENAI_ORIGIN}; pass base_url= with it. Nothing was sent."
            )
            raise ProviderProblem(msg)
        return api_key
    key = environ.get("OPENAI_API_KEY", "").strip()
    bound = environ.get("PLAYGROUND_API_KEY_ORIGIN", "").strip()
    belongs = _origin(_checked(bound)) if bound else _OPENAI_ORIGIN
    if key and belongs == origin:
        _usable(key, "OPENAI_API_KEY")
        return key
    local = _is_loopback(parts.hostname or "")
    kept = None if local else keys.stored(origin)
    if kept is None and ask and not local and not key:
        kept = keys.asked(origin)
    if kept is not None:
        _usable(kept, f"The key for {origin}")
        return kept
    if origin == _OPENAI_ORIGIN:
        msg = (
            "There is no API key for api.openai.com: set OPENAI_API_KEY, keep one in the system's "
            "keyring (keyring set halfpenny https://api.openai.com), or use the offline provider "
            "(PLAYGROUND_PROVIDER=offline). Nothing was sent."
        )
        raise ProviderProblem(msg)
    if not key or (local and (base_url is not None or not key.startswith("sk-"))):
        return None
    msg = (
        f"OPENAI_API_KEY belongs to {belongs} and is not sent to {origin}. If it was given for "
        f"that endpoint, set PLAYGROUND_API_KEY_ORIGIN={origin}; else unset "
        + ("OPENAI_BASE_URL" if base_url is None else "OPENAI_API_KEY")
        + ". Nothing was sent."
    )
    raise ProviderProblem(msg)


def _usable(key: str, name: str) -> None:
    if not key.isascii() or not key.isprintable() or " " in key:
        msg = f"{name} holds characters that no key has (a line break?); nothing was sent."
        raise ProviderProblem(msg)


def _proxy(parts: SplitResult) -> str | None:
    """The proxy that the environment names for this address: one client has one address."""
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _origin(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (
        f":{parts.port}" if parts.port not in {None, usual} else ""
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(address: str) -> str:
    return repr(address[:80])
