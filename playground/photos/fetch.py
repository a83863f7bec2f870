"""A photo from an address on the web, without letting the address reach into this network.

Server-side request forgery is the danger: a link that names this machine, its neighbours or a
cloud's metadata service, by number, by name, or by a redirect. So a name is resolved once, every
address that it has must be public, the connection goes to that very address (no second lookup
that could answer otherwise), and each redirect passes the same gate. Off unless the owner allows
it. No proxy is used: it would resolve names by itself.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from playground.errors import PhotoProblem

MAX_URL_BYTES = 64 * 1024 * 1024
MAX_HOPS = 4
SECONDS = 20.0
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 1 << 16
_MAX_URL_CHARS = 2048

Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], socket.socket]


def resolve_name(host: str, port: int) -> list[str]:
    """All addresses of a host; OSError when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def connect_to(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to a numeric address."""
    return socket.create_connection((address, port), seconds)


def fetch(
    url: str,
    *,
    resolve: Resolve = resolve_name,
    connect: Connect = connect_to,
    max_bytes: int = MAX_URL_BYTES,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[str, bytes]:
    """The file's name, as the address tells it, and the bytes at an address.

    Args:
        url: http or https, at the usual port, without a user name.
        resolve: host and port to numeric addresses. connect: opens a connection to one of them.
        max_bytes: more are not read. seconds: for everything, redirects included.

    Raises:
        PhotoProblem: for an address that is not allowed (nothing was asked there then), or one
            that does not answer with a file.
    """
    deadline = clock() + seconds
    for _ in range(MAX_HOPS + 1):
        host, port, target, secure = _parts(url)
        address = _public(host, port, resolve)
        left = deadline - clock()
        if left <= 0:
            raise PhotoProblem(_late(host, seconds))
        try:
            raw = connect(address, port, left)
        except OSError:
            raise PhotoProblem(f"{host} cannot be reached.") from None
        try:
            connection = _Pinned(host, port, raw, secure)
            # A server that trickles a byte at a time must not hold the page for longer.
            guard = threading.Timer(left, connection.abort)
            guard.daemon = True
            guard.start()
            try:
                answer = connection.ask(target)
                if answer.status in _REDIRECTS:
                    url = urljoin(url, answer.getheader("Location") or "")
                    continue
                if answer.status != 200:
                    raise PhotoProblem(f"{host} answered {answer.status} instead of a picture.")
                return _name(target), _read(answer, host, max_bytes, seconds, deadline, clock)
            finally:
                guard.cancel()
                connection.close()
        except TimeoutError:
            raise PhotoProblem(_late(host, seconds)) from None
        except (OSError, http.client.HTTPException, ValueError):
            raise PhotoProblem(f"{host} did not answer as a web server does.") from None
        finally:
            raw.close()
    raise PhotoProblem(f"The address leads on more than {MAX_HOPS} times; give the last one.")


def is_public(address: str) -> bool:
    """Whether a numeric address belongs to the public internet, also behind a translation."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64 or ip in _COMPATIBLE:
            return False
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if any(one is not None for one in inner):
            return False
    return ip.is_global and not (
        ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_link_local or ip.is_private
    )


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


class _Pinned(http.client.HTTPConnection):
    """Speaks over a socket that is already connected to the checked address."""

    def __init__(self, host: str, port: int, raw: socket.socket, secure: bool) -> None:
        super().__init__(host, port)
        self.sock: Any = raw
        if secure:
            self.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
        # The port that the Host header leaves out.
        self.default_port = port

    def abort(self) -> None:
        """End the connection from another thread."""
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def ask(self, target: str) -> http.client.HTTPResponse:
        self.request(
            "GET",
            target,
            headers={
                "User-Agent": "halfpenny",
                "Accept": "image/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
        )
        return self.getresponse()


def _parts(url: str) -> tuple[str, int, str, bool]:
    """Host, port, what to ask for, and whether with TLS."""
    if len(url) > _MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url:
        msg = "That is no web address; write it as https://host/photo.jpg."
        raise PhotoProblem(msg)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        msg = "That is no web address; write it as https://host/photo.jpg."
        raise PhotoProblem(msg) from None
    if parts.scheme not in _PORTS or not host:
        msg = "Only http and https addresses are fetched, as in https://host/photo.jpg."
        raise PhotoProblem(msg)
    if parts.username is not None or parts.password is not None:
        msg = "An address must not carry a user name or password; nothing was asked."
        raise PhotoProblem(msg)
    usual = _PORTS[parts.scheme]
    if port not in {None, usual}:
        raise PhotoProblem(f"Only the usual ports 80 and 443 are asked, not {port}.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return host, usual, target, parts.scheme == "https"


def _public(host: str, port: int, resolve: Resolve) -> str:
    """The one address to connect to; refused when any of the host's addresses is not public."""
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError):
        raise PhotoProblem(f"{host} is not known to the network's name service.") from None
    if not addresses or not all(is_public(address) for address in addresses):
        msg = (
            f"{host} is not on the public internet (it is this machine, or one of its "
            "network); nothing was asked there."
        )
        raise PhotoProblem(msg)
    return addresses[0]


def _read(
    answer: http.client.HTTPResponse,
    host: str,
    max_bytes: int,
    seconds: float,
    deadline: float,
    clock: Callable[[], float],
) -> bytes:
    too_large = f"{host} sends more than {max_bytes / 1e6:.0f} MB; nothing was kept."
    announced = answer.getheader("Content-Length") or ""
    if announced.isdigit() and int(announced) > max_bytes:
        raise PhotoProblem(too_large)
    kept = bytearray()
    while chunk := answer.read1(_CHUNK_BYTES):
        kept += chunk
        if len(kept) > max_bytes:
            raise PhotoProblem(too_large)
        if clock() > deadline:
            raise PhotoProblem(_late(host, seconds))
    return bytes(kept)


def _late(host: str, seconds: float) -> str:
    return f"{host} did not send the picture within {seconds:.0f} seconds."


def _name(target: str) -> str:
    last = unquote(target.partition("?")[0].rpartition("/")[2], errors="replace")
    return last or "photo"
