"""Photos from addresses: what is public is fetched, nothing else is even asked."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading

import pytest

from playground.errors import PhotoProblem
from playground.photos import fetch as module
from playground.photos.fetch import fetch, is_public

PUBLIC = "93.184.215.14"
PICTURE = b"\xff\xd8\xff" + b"p" * 2000

FORBIDDEN = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "::1",
    "::",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "fd00:ec2::254",
    "not an address",
)


class Pages(http.server.BaseHTTPRequestHandler):
    """A web server with a picture and several bad manners."""

    def do_GET(self):
        self.server.asked.append((self.headers["Host"], self.path))
        where = self.path.partition("?")[0]
        if where.startswith("/to"):
            self.send_response(302)
            self.send_header("Location", self.server.leads_to)
            self.end_headers()
            return
        if where == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        if where == "/none":
            self.send_error(404)
            return
        self.send_response(200)
        if where == "/long":
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(1000):
                    self.wfile.write(b"x" * 1000)
            return
        if where == "/announced":
            self.send_header("Content-Length", "999999999")
            self.end_headers()
            return
        self.send_header("Content-Length", str(len(PICTURE)))
        self.end_headers()
        self.wfile.write(PICTURE)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.asked, server.leads_to = [], ""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def names():
    return {"photos.example": [PUBLIC], "inside.example": ["127.0.0.1"]}


@pytest.fixture
def get(web, names):
    """`fetch` in a world where the public address is the server above."""
    connected = []

    def resolve(host, port):
        if host in names:
            return names[host]
        return module.resolve_name(host, port)

    def connect(address, port, seconds):
        connected.append((address, port))
        assert address == PUBLIC
        return socket.create_connection(web.server_address, seconds)

    def go(url, **more):
        return fetch(url, resolve=resolve, connect=connect, **more)

    go.connected = connected
    return go


def test_a_public_picture_is_fetched_by_its_pinned_address(get, web):
    name, data = get("http://photos.example/a/my%20cat.jpg?x=1")
    assert (name, data) == ("my cat.jpg", PICTURE)
    assert web.asked == [("photos.example", "/a/my%20cat.jpg?x=1")]
    assert get.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_known(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::6810:84e5"])
def test_a_public_address_is_known(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x.jpg",
        "http://localhost/x.jpg",
        "http://[::1]/x.jpg",
        "http://2130706433/x.jpg",
        "http://0x7f.1/x.jpg",
        "http://127.1/x.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://inside.example/x.jpg",
        "https://inside.example/x.jpg",
    ],
)
def test_what_is_within_is_not_even_connected_to(get, url):
    with pytest.raises(PhotoProblem, match=r"not on the public internet|not known"):
        get(url)
    assert get.connected == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://photos.example/x.jpg",
        "gopher://photos.example/x",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "//photos.example/x.jpg",
        "photos.example/x.jpg",
        "http:///x.jpg",
        "http://user:secret@photos.example/x.jpg",
        "http://photos.example:6379/x.jpg",
        "http://photos.example:99999/x.jpg",
        "http://photos.example/x.jpg\r\nHost: other",
        "http://photos.example/ x.jpg",
        "http://photos.example/" + "x" * 3000,
        "http://phötos.example/x.jpg",
        "",
    ],
)
def test_what_is_no_plain_web_address_is_refused(get, url):
    with pytest.raises(PhotoProblem):
        get(url)
    assert get.connected == []


@pytest.mark.parametrize(
    "leads_to",
    [
        "http://127.0.0.1/x.jpg",
        "http://inside.example/x.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "ftp://photos.example/x.jpg",
        "//inside.example/x.jpg",
        "http://photos.example:22/",
    ],
)
def test_a_redirect_passes_the_same_gate(get, web, leads_to):
    web.leads_to = leads_to
    with pytest.raises(PhotoProblem):
        get("http://photos.example/to")
    assert get.connected == [(PUBLIC, 80)]


def test_a_redirect_to_a_public_place_is_followed(get, web):
    web.leads_to = "/cat.jpg"
    assert get("http://photos.example/to") == ("cat.jpg", PICTURE)


def test_a_name_with_one_inner_address_among_public_ones_is_refused(get, names):
    names["mixed.example"] = [PUBLIC, "10.0.0.7"]
    with pytest.raises(PhotoProblem, match="not on the public internet"):
        get("http://mixed.example/x.jpg")
    assert get.connected == []


def test_a_name_is_resolved_once_for_each_hop(web):
    asked = []

    def resolve(host, _port):
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    def connect(address, _port, seconds):
        assert address == PUBLIC
        return socket.create_connection(web.server_address, seconds)

    _, data = fetch("http://photos.example/x.jpg", resolve=resolve, connect=connect)
    assert data == PICTURE
    assert asked == ["photos.example"]


def test_an_endless_redirect_ends(get):
    with pytest.raises(PhotoProblem, match="more than"):
        get("http://photos.example/loop")


@pytest.mark.parametrize("path", ["long", "announced"])
def test_too_much_is_not_read(get, path):
    with pytest.raises(PhotoProblem, match="more than"):
        get(f"http://photos.example/{path}", max_bytes=100_000)


def test_an_answer_without_a_picture_is_said(get):
    with pytest.raises(PhotoProblem, match="404"):
        get("http://photos.example/none")


def test_a_server_that_says_nothing_is_left_after_the_time():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(PhotoProblem, match="did not"):
        fetch(
            "http://photos.example/x.jpg",
            resolve=lambda _host, _port: [PUBLIC],
            connect=lambda _address, _port, seconds: ours.settimeout(seconds) or ours,
            seconds=0.2,
        )


def test_tls_is_checked_against_the_name(get):
    with pytest.raises(PhotoProblem):
        get("https://photos.example/x.jpg")
    assert get.connected == [(PUBLIC, 443)]
