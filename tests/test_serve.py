"""The server of the gallery page: what it gives to its owner, and what it refuses to others."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from playground import serve
from playground.errors import PlaygroundError

KEY = "sk-CANARY-of-the-owner"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server on an empty gallery, started from a shell that holds a key."""
    folder = tmp_path_factory.mktemp("served") / "gallery"
    environ = {**os.environ, "OPENAI_API_KEY": KEY, "PLAYGROUND_PROVIDER": "offline"}
    with serve.voila(folder, None, environ=environ) as (url, process):
        yield url, process


def get(url, path=None, **headers):
    """Status, headers and body of one request to the server of `url`."""
    address, _, rest = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("GET", f"/{rest}" if path is None else path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def children(pid):
    """Process ids below `pid`, by /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += [int(entry.parent.name), *children(int(entry.parent.name))]
    return found


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(happened, seconds=30):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_the_owner_gets_the_page_with_a_strict_content_policy(server):
    url, _ = server
    status, headers, body = get(url)
    assert status == 200
    assert b"Halfpenny" in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http:" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_links_no_foreign_style_or_script(server):
    url, _ = server
    body = get(url)[2].decode()
    assert "jsdelivr" not in body
    assert 'src="http' not in body
    assert 'href="http' not in body


def test_without_the_token_there_is_only_a_login(server):
    url, _ = server
    status, headers, _ = get(url, "/")
    assert status == 302
    assert "login" in headers["Location"]
    assert get(url, "/?token=guess")[0] == 302


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8866", "192.168.1.7"])
def test_a_foreign_host_name_is_refused_even_with_the_token(server, host):
    url, _ = server
    assert get(url, Host=host)[0] == 403


def test_a_kernel_channel_is_closed_to_a_foreign_host_and_to_strangers(server):
    url, _ = server
    channel = "/api/kernels/01234567-0123-0123-0123-0123456789ab/channels"
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert get(url, channel, **upgrade)[0] == 403
    token = url.partition("?")[2]
    rebound = {**upgrade, "Host": "evil.example", "Origin": "http://evil.example"}
    assert get(url, f"{channel}?{token}", **rebound)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/voila/files/gallery.ipynb",
        "/voila/files/voila.json",
        "/voila/files/../voila.json",
        "/voila/files/%2e%2e/voila.json",
        "/voila/files/thumb.png",
        "/voila/static/../../voila.json",
        "/voila/templates/halfpenny/static/../../../../voila.json",
    ],
)
def test_no_file_is_served(server, path):
    url, _ = server
    token = url.partition("?")[2]
    status, _, body = get(url, f"{path}?{token}")
    assert status in {403, 404, 500}
    assert token.removeprefix("token=").encode() not in body


def test_the_key_is_in_no_process_of_the_page(server):
    url, process = server
    get(url)
    wait_until(lambda: len(children(process.pid)) >= 1)
    for pid in [process.pid, *children(process.pid)]:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert KEY.encode() not in environment
        assert b"PLAYGROUND_PROVIDER=offline" in environment


def test_the_token_is_not_on_a_command_line(server):
    url, process = server
    token = url.partition("token=")[2].encode()
    for pid in [process.pid, *children(process.pid)]:
        assert token not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_environment_loses_keys_and_keeps_what_a_gallery_needs(tmp_path):
    given = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": "https://example.org/v1",
        "ANTHROPIC_API_KEY": KEY,
        "PLAYGROUND_FILES": "s3://bucket/pictures",
        "AWS_PROFILE": "pictures",
        "PATH": "/usr/bin",
    }
    inside = serve.page_environment(given, "postgresql://host/name", tmp_path)
    assert KEY not in inside.values()
    assert "OPENAI_BASE_URL" not in inside
    assert inside["PLAYGROUND_GALLERY"] == "postgresql://host/name"
    assert inside["PLAYGROUND_PROVIDER"] == "openai"
    assert inside["PLAYGROUND_FILES"] == "s3://bucket/pictures"
    assert inside["AWS_PROFILE"] == "pictures"


def test_a_relative_gallery_is_found_from_the_private_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = serve.page_environment({}, "mine", tmp_path)
    assert inside["PLAYGROUND_GALLERY"] == str(tmp_path / "mine")


def test_a_taken_port_is_said_clearly():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = serve.voila(None, port)
        with pytest.raises(PlaygroundError, match=rf"Port {port} is taken.*--port"), server:
            pass


def test_a_port_of_its_own_choice_is_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve._port(None, port) != port


def test_a_server_that_fails_tells_its_last_words(monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "_CHILD", "import sys; sys.exit('no such template')")
    server = serve.voila(tmp_path / "gallery")
    with pytest.raises(PlaygroundError, match=r"did not start.*no such template"), server:
        pass


# What `make demo` runs: it is interrupted, or killed, like any program.
_OWNER = """
import sys
from playground import serve
serve.serve(sys.argv[1], None, False, say=lambda line: print(line, flush=True))
"""


@pytest.fixture
def owner(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(tmp_path / "gallery")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running_when_the_command_ends(owner, sent, tmp_path):
    first = owner.stdout.readline()
    url = next(word for word in first.split() if word.startswith("http"))
    assert get(url)[0] == 200
    (server_pid, *_) = below = children(owner.pid)
    wait_until(lambda: len(children(server_pid)) >= 2)  # the page's kernel and the pool's next
    below = children(owner.pid)
    owner.send_signal(sent)
    owner.wait(30)
    wait_until(lambda: not any(alive(pid) for pid in below))
    assert list(tmp_path.glob("halfpenny-*")) == []
    if sent == signal.SIGINT:
        assert owner.returncode == 0


def test_a_taken_address_is_no_traceback_for_the_notebooks_server():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = serve.jupyterlab(taken.getsockname()[1])
        with pytest.raises(PlaygroundError, match="is taken"), server:
            pass


def test_jupyterlab_starts_on_the_notebooks_and_asks_for_its_token(tmp_path):
    environ = {**os.environ, "HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "run")}
    environ["JUPYTER_CONFIG_DIR"] = str(tmp_path / "config")
    with serve.jupyterlab(None, environ=environ) as (url, _):
        token = url.partition("token=")[2]
        status, _, body = get(url, "/api/contents", Authorization=f"token {token}")
        names = [entry["name"] for entry in json.loads(body)["content"]]
        assert status == 200
        assert "gallery.ipynb" in names
        assert get(url, "/api/contents")[0] == 403
        # A question about news, which a foreign host would be asked for, is not put to anybody.
        notices = "/lab/api/settings/@jupyterlab/apputils-extension:notification"
        _, _, body = get(url, notices, Authorization=f"token {token}")
        assert json.loads(body)["schema"]["properties"]["fetchNews"]["default"] == "false"


def kernels(pid):
    """Environments of the kernels below a server, by /proc, once one for each page is up."""
    found = {}
    for child in children(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"ipykernel_launcher" in command and b"execve" not in command:
                found[child] = Path(f"/proc/{child}/environ").read_bytes()
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_with_all_pages_the_kernel_of_the_gallery_alone_has_no_key(tmp_path):
    environ = {**os.environ, "OPENAI_API_KEY": KEY, "PLAYGROUND_PROVIDER": "offline"}
    with serve.voila(tmp_path / "gallery", pages="all", environ=environ) as (url, process):
        status, headers, _ = get(url.partition("?")[0])
        assert (status, "login" in headers.get("Location", "")) == (302, True)
        assert get(url)[0] == 200  # the gallery's kernel is in use, the next one is warmed
        deadline = time.monotonic() + 60
        while len(found := kernels(process.pid)) < 3:
            assert time.monotonic() < deadline, f"{len(found)} kernels"
            time.sleep(0.2)
        without = [pid for pid, inside in found.items() if KEY.encode() not in inside]
        with_key = [pid for pid, inside in found.items() if KEY.encode() in inside]
        assert without
        assert with_key


def test_the_pages_are_named_for_the_bar_and_unknown_notebooks_stay_out(tmp_path, monkeypatch):
    source = tmp_path / "notebooks"
    source.mkdir()
    for name in ("gallery", "1_playground", "4_pricing_lab", "draft"):
        page = {"metadata": {"kernelspec": {"name": "python3"}}, "cells": []}
        (source / f"{name}.ipynb").write_text(json.dumps(page), encoding="utf-8")
    monkeypatch.setattr(serve, "notebooks_folder", lambda: source)
    root = tmp_path / "page"
    root.mkdir()
    assert serve._copy_pages(root, "all") == ["gallery", "1_playground", "4_pricing_lab"]
    for name, kernel in (
        ("gallery", "halfpenny-keyless"),
        ("1_playground", "python3"),
        ("4_pricing_lab", "halfpenny-keyless"),
    ):
        page = json.loads((root / f"{name}.ipynb").read_text(encoding="utf-8"))
        assert page["metadata"]["kernelspec"]["name"] == kernel
    assert not (root / "draft.ipynb").exists()
