"""The page for strangers: what passes to a kernel, what is served, and what never gets out."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from playground.errors import GalleryProblem, PlaygroundError
from playground.public import guard, launch
from playground.public.channel import CONTROL_TARGET, MAX_CONTROLS, Rules
from playground.public.page import PAGE_COMM, Answers
from playground.publish import Selection, Snapshot, publish, unpublish
from playground.store import Gallery

KEY = "sk-CANARY-of-the-owner-7Qx"
PRIVATE = "CANARY-private-words"
FULL = os.environ.get("PLAYGROUND_FULL_SIZE") == "1"
LINUX = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads /proc")


class Liar(http.server.BaseHTTPRequestHandler):
    """An endpoint that nobody may call: it counts who does."""

    calls: list[str] = []

    def do_GET(self):
        self.calls.append(self.path)
        self.send_error(500)

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def liar():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_sample):
    """A gallery with published and private items, and its snapshot."""
    folder = tmp_path_factory.mktemp("public")
    with Gallery(folder / "gallery") as gallery:
        shown = [make_sample(gallery, f"a published lantern {n}") for n in range(4)]
        make_sample(gallery, f"{PRIVATE} one", size="704x976")
        hidden = make_sample(gallery, f"{PRIVATE} two")
        gallery.annotate(hidden.id, note=f"{PRIVATE} note")
        chosen = Selection(tuple(item.id for item in shown))
        publish(gallery, chosen, dest=folder / "snapshot", boards=("half-penny",))
    return folder


@pytest.fixture(scope="module")
def snapshot(place):
    return place / "snapshot"


@pytest.fixture(scope="module")
def server(place, snapshot, liar):
    """A running public server, started from a shell that holds everything an owner has."""
    environ = {
        **os.environ,
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": liar,
        "PLAYGROUND_GALLERY": str(place / "gallery"),
        "DATABASE_URL": f"postgresql://me:{KEY}@host/db",
        "MY_SECRET": KEY,
    }
    with launch.public(snapshot, 0, visitors=3, environ=environ) as (url, process):
        yield url, process


def get(url, path, method="GET", body=None, **headers):
    """Status, headers and body of one request, with the path exactly as it is given."""
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=60)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def visit(url):
    """Open the page as a browser does; the id of the kernel that it was given."""
    deadline = time.monotonic() + 60
    while True:
        status, _, body = get(url, "/")
        if status == 200:
            found = re.search(rb'"kernelId": "([0-9a-f-]{36})"', body)
            assert found, body[-2000:]
            return found[1].decode()
        assert status == 503
        assert time.monotonic() < deadline, "no place became free"
        time.sleep(0.2)


def leave(url, kernel_id):
    assert get(url, f"/voila/api/shutdown/{kernel_id}", "POST", b"")[0] == 204


def message(kind, content, channel="shell", **more):
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "s", "username": "",
              "version": "5.3", "date": "2026-11-21T12:00:00Z"}  # fmt: skip
    return {"channel": channel, "header": header, "parent_header": {}, "metadata": {},
            "content": content, **more}  # fmt: skip


def question(**content):
    return message(
        "comm_msg", {"comm_id": PAGE_COMM, "data": {"method": "custom", "content": content}}
    )


class Talk:
    """One channel to a kernel, and everything that came back."""

    def __init__(self, url, kernel_id):
        self.address = f"ws{url.removeprefix('http')}api/kernels/{kernel_id}/channels?session_id=s"
        self.heard = []

    async def __aenter__(self):
        self.socket = await websocket_connect(HTTPRequest(self.address, request_timeout=60))
        return self

    async def __aexit__(self, *_):
        self.socket.close()
        await self.until(lambda _: False)  # until the other side has closed, too

    async def say(self, one):
        await self.socket.write_message(one if isinstance(one, (str, bytes)) else json.dumps(one))

    async def until(self, wanted, seconds=30):
        """Read until a message is wanted; None when nothing comes for so long."""
        while True:
            try:
                raw = await asyncio.wait_for(self.socket.read_message(), seconds)
            except TimeoutError:
                return None
            if raw is None:
                return None
            self.heard.append(raw)
            if isinstance(raw, str):
                read = json.loads(raw)
                if wanted(read):
                    return read

    async def ask(self, seconds=30, **content):
        number = random.randrange(1, 2**30)
        await self.say(question(n=number, **content))
        answer = await self.until(lambda m: content_of(m).get("n") == number, seconds)
        return None if answer is None else content_of(answer)


def in_a_thread(coroutine):
    """Its result; after a test of a page the main thread already has a loop, Playwright's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def content_of(read):
    data = read.get("content", {}).get("data")
    content = data.get("content") if isinstance(data, dict) else None
    return content if isinstance(content, dict) else {}


def talk(url, conversation):
    """Have a conversation over a channel of a new visit, and leave."""
    kernel_id = visit(url)

    async def having():
        async with Talk(url, kernel_id) as channel:
            result = await conversation(channel)
            return result, channel.heard

    try:
        return in_a_thread(having())
    finally:
        leave(url, kernel_id)


def processes(pid):
    """The process and everything below it, by /proc."""
    found = [pid]
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if int(entry.read_text().rpartition(")")[2].split()[1]) == pid:
                found += processes(int(entry.parent.name))
    return found


def kernels(pid):
    found = []
    for each in processes(pid):
        with contextlib.suppress(OSError):
            if b"playground.public.kernel" in Path(f"/proc/{each}/cmdline").read_bytes():
                found.append(each)
    return found


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# -- the rules of a channel, without a server ----------------------------------------------------


def passes(rules, kind, content, channel="shell", buffers=0, now=0.0):
    return rules.decide(channel, kind, content, buffers, now)


@pytest.mark.parametrize(
    "kind",
    ["execute_request", "inspect_request", "complete_request", "history_request", "debug_request",
     "is_complete_request", "input_reply", "shutdown_request", "interrupt_request",
     "create_subshell_request", "usage_request", "", "COMM_MSG"],
)  # fmt: skip
@pytest.mark.parametrize("channel", ["shell", "control", "stdin", "iopub"])
def test_nothing_that_makes_a_kernel_do_something_else_passes(kind, channel):
    data = {"method": "custom", "content": {"do": "find"}}
    content = {"code": "1", "comm_id": PAGE_COMM, "data": data}
    assert not passes(Rules(0), kind, content, channel)


def test_the_pages_questions_pass_and_so_does_what_finds_its_widget():
    rules = Rules(0)
    control = {"comm_id": "c1", "target_name": CONTROL_TARGET, "data": {}}
    assert passes(rules, "kernel_info_request", {})
    assert passes(rules, "comm_info_request", {"target_name": "jupyter.widget"})
    assert passes(rules, "comm_open", control)
    assert passes(rules, "comm_msg", {"comm_id": "c1", "data": {"method": "request_states"}})
    assert passes(rules, "comm_close", {"comm_id": "c1"})
    ask = {"method": "custom", "content": {"do": "find", "n": 1, "q": "fox"}}
    assert passes(rules, "comm_msg", {"comm_id": PAGE_COMM, "data": ask})


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("comm_open", {"comm_id": "x", "target_name": "jupyter.widget", "data": {"state": {}}}),
        ("comm_open", {"comm_id": "x", "target_name": CONTROL_TARGET, "data": {"a": 1}}),
        ("comm_open", {"comm_id": "x", "target_name": CONTROL_TARGET, "target_module": "os"}),
        ("comm_open", {"comm_id": PAGE_COMM, "target_name": CONTROL_TARGET, "data": {}}),
        ("comm_msg", {"comm_id": "other", "data": {"method": "request_states"}}),
        ("comm_msg", {"comm_id": PAGE_COMM, "data": {"method": "update", "state": {"_esm": ""}}}),
        ("comm_msg", {"comm_id": PAGE_COMM, "data": {"method": "request_state"}}),
        ("comm_msg", {"comm_id": PAGE_COMM, "data": {"method": "custom", "content": {"do": "x"}}}),
        ("comm_msg", {"comm_id": PAGE_COMM, "data": {"method": "custom", "content": "find"}}),
        ("comm_msg", {"comm_id": PAGE_COMM, "data": None}),
        ("comm_close", {"comm_id": PAGE_COMM}),
        ("comm_info_request", {"target_name": "x"}),
        ("comm_msg", []),
    ],
)
def test_no_other_comm_message_passes(kind, content):
    assert not passes(Rules(0), kind, content)


def test_long_fast_and_heavy_messages_do_not_pass():
    ask = {"method": "custom", "content": {"do": "find", "q": "x"}}
    page = {"comm_id": PAGE_COMM, "data": ask}
    assert not passes(Rules(0), "comm_msg", page, buffers=1)
    long = {"comm_id": PAGE_COMM, "data": {**ask, "content": {"do": "find", "q": "x" * 9000}}}
    assert not passes(Rules(0), "comm_msg", long)
    rules = Rules(0)
    assert sum(passes(rules, "comm_msg", page, now=0.0) for _ in range(200)) == 40
    assert not passes(rules, "comm_msg", page, now=0.0)
    assert passes(rules, "comm_msg", page, now=1.0)
    rules = Rules(0)
    opened = [
        passes(rules, "comm_open", {"comm_id": f"c{n}", "target_name": CONTROL_TARGET, "data": {}})
        for n in range(20)
    ]
    assert sum(opened) == MAX_CONTROLS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=9,
)


@given(
    kind=st.sampled_from(["comm_open", "comm_msg", "comm_close", "comm_info_request"]), content=JSON
)
def test_whatever_is_sent_is_decided_without_an_error(kind, content):
    assert passes(Rules(0), kind, content) in {True, False}


# -- the page's answers, without a kernel ----------------------------------------------------------


@given(
    question=st.fixed_dictionaries(
        {"do": st.sampled_from(["open", "find", "words", "card", "x"])},
        optional=dict.fromkeys(("n", "q", "where", "sort", "after", "id"), JSON),
    )
)
def test_every_question_has_an_answer_that_tells_nothing_of_this_machine(snapshot, question):
    told = json.dumps(Answers(snapshot).answer(question))
    assert str(snapshot) not in told
    assert PRIVATE not in told
    assert "Traceback" not in told


def test_a_page_is_never_longer_than_its_limit_and_leads_to_the_next(snapshot):
    answers = Answers(snapshot)
    first = answers.answer({"do": "find", "q": "lantern", "n": 7})
    assert (first["n"], first["total"], first["next"]) == (7, 4, None)
    card = first["cards"][0]
    assert answers.answer({"do": "words", "id": card["id"]})["words"]["prompt"].startswith("a publ")
    assert answers.answer({"do": "card", "id": card["id"]})["card"] == card
    assert answers.answer({"do": "card", "id": "../../etc"})["card"] is None


def test_a_snapshot_that_is_gone_is_said_without_its_path(tmp_path):
    assert "cannot be read" in Answers(tmp_path / "nowhere").answer({"do": "open"})["sorry"]


def test_what_is_unpublished_is_gone_for_those_who_look_already(place, tmp_path):
    with Gallery(place / "gallery") as gallery:
        items = gallery.search("lantern").items
        made = publish(gallery, Selection(tuple(i.id for i in items)), dest=tmp_path / "s")
        answers = Answers(made.folder)
        assert answers.answer({"do": "find"})["total"] == 4
        unpublish(made.folder, [items[0].id], gallery=gallery)
        assert answers.answer({"do": "find"})["total"] == 3


# -- processes -----------------------------------------------------------------------------------


def test_a_process_for_strangers_cannot_import_what_spends():
    code = """
from playground.public import guard
guard.install()
import playground.public.page, sys
for name in ("openai", "httpx2", "sqlalchemy", "playground.provider.client", "playground.runner",
             "playground.store", "playground.cli", "playground.serve", "playground.photos"):
    try:
        __import__(name)
        print("imported", name)
    except ImportError as problem:
        assert "for strangers" in str(problem)
print(sorted(name for name in sys.modules if not guard.allowed(name)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_guard_that_comes_too_late_refuses_to_begin():
    code = "import playground.store\nfrom playground.public import guard\nguard.install()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is loaded already" in done.stderr
    assert not guard.allowed("playground.runner.gate")


def test_the_environment_is_a_list_of_what_goes_in(tmp_path):
    given_ = {
        "PATH": "/usr/bin",
        "OPENAI_API_KEY": KEY,
        "MY_DB": KEY,
        "HOME": "/owner",
        "LANG": "C",
    }
    inside = launch.environment(given_, tmp_path, tmp_path / "snapshot")
    assert KEY not in inside.values()
    assert "/owner" not in inside.values()
    assert inside["PATH"] == "/usr/bin"


def test_what_is_no_snapshot_or_no_host_name_is_one_clear_sentence(tmp_path, snapshot):
    with (
        pytest.raises(GalleryProblem, match="There is no published snapshot"),
        launch.public(tmp_path),
    ):
        pass
    server = launch.public(snapshot, hosts=["https://example.org/"])
    with pytest.raises(PlaygroundError, match="is not a host name"), server:
        pass


# -- the running server ----------------------------------------------------------------------------


def test_a_visitor_can_search_look_and_nothing_else(server):
    url, _ = server

    async def conversation(channel):
        first = await channel.ask(do="open")
        found = await channel.ask(do="find", q="lantern 2")
        return first, found

    (first, found), heard = talk(url, conversation)
    assert (first["count"], found["total"]) == (4, 1)
    kinds = {json.loads(raw)["header"]["msg_type"] for raw in heard if isinstance(raw, str)}
    assert kinds <= {"status", "comm_msg", "kernel_info_reply"}


def test_messages_that_execute_or_inspect_are_dropped(server, tmp_path):
    url, _ = server
    marker = tmp_path / "marker"
    code = f"open({str(marker)!r}, 'w').write('x')"

    async def conversation(channel):
        for kind, content in (
            ("execute_request", {"code": code, "silent": False, "store_history": True}),
            ("inspect_request", {"code": "page", "cursor_pos": 1, "detail_level": 1}),
            ("complete_request", {"code": "import o", "cursor_pos": 8}),
            ("history_request", {"output": True, "raw": True, "hist_access_type": "tail", "n": 9}),
            ("debug_request", {"command": "initialize", "arguments": {}}),
            ("shutdown_request", {"restart": False}),
        ):
            for where in ("shell", "control", "stdin"):
                await channel.say(message(kind, content, where))
        return await channel.ask(do="find", q="")

    found, heard = talk(url, conversation)
    assert found["total"] == 4  # the kernel is there, and answers
    replies = {json.loads(raw)["header"]["msg_type"] for raw in heard if isinstance(raw, str)}
    assert not {kind for kind in replies if kind.endswith("_reply")} - {"kernel_info_reply"}
    assert "execute_input" not in replies
    assert not marker.exists()


@LINUX
def test_fuzzed_comm_messages_reach_nobody_and_change_nothing(server, place, liar):
    url, process = server
    before = hashes(place)
    rng = random.Random(20261121)

    def fuzzed():
        targets = ["jupyter.widget", CONTROL_TARGET, "", "x" * 300, "anywidget"]
        comm = rng.choice([PAGE_COMM, "c1", uuid.uuid4().hex, "", None, 7])
        data = rng.choice(
            [
                {"method": "custom", "content": {"event": "click"}},
                {"method": "update", "state": {"value": "x", "_esm": "x"}, "buffer_paths": []},
                {"method": "request_state"},
                {"method": "custom", "content": {"do": rng.choice(["find", "words", "annotate"])}},
                {"method": "custom", "content": {"do": "find", "q": '"' * rng.randrange(400)}},
                None,
                [1],
                "x" * rng.randrange(20_000),
            ]
        )
        kind = rng.choice(["comm_open", "comm_msg", "comm_msg", "comm_msg", "comm_close", "x"])
        content = {"comm_id": comm, "target_name": rng.choice(targets), "data": data}
        raw = json.dumps(message(kind, content))
        return rng.choice(
            [raw, raw, raw, raw[: rng.randrange(len(raw))], raw.encode(), "[]", b"\0"]
        )

    async def conversation(channel):
        for _ in range(10_000 if FULL else 400):
            await channel.say(fuzzed())
        while (answer := await channel.ask(1, do="open")) is None:  # the pace is kept, and forgiven
            pass
        return answer

    answer, _ = talk(url, conversation)
    assert answer["count"] == 4
    assert Liar.calls == []
    assert hashes(place) == before
    assert process.poll() is None


@LINUX
def test_the_owners_secrets_are_in_no_process_environment_memory_or_traffic(server, place):
    url, process = server

    async def conversation(channel):
        await channel.say(
            message("comm_open", {"comm_id": "c1", "target_name": CONTROL_TARGET, "data": {}})
        )
        await channel.say(
            message("comm_msg", {"comm_id": "c1", "data": {"method": "request_states"}})
        )
        await channel.say(message("comm_info_request", {"target_name": "jupyter.widget"}))
        await channel.say(message("kernel_info_request", {}))
        await channel.until(lambda m: m["header"]["msg_type"] == "comm_info_reply")
        await channel.ask(do="find", q="lantern")
        below = processes(process.pid)
        return {pid: (environment(pid), secrets_in(pid)) for pid in below}

    seen, heard = talk(url, conversation)
    assert len(seen) >= 3
    allowed = {*launch._ENVIRONMENT, "HALFPENNY_SNAPSHOT", "JUPYTER_PATH", "HOME", "TMPDIR",
               "PYTHONDONTWRITEBYTECODE", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR",
               "JUPYTER_RUNTIME_DIR", "JPY_PARENT_PID", "JPY_SESSION_NAME"}  # fmt: skip
    names = {name for inside, _ in seen.values() for name in inside}
    assert {name for name in names - allowed if not name.startswith("VOILA_")} == set()
    assert [pid for pid, (_, found) in seen.items() if found] == []
    traffic = b"".join(raw.encode() if isinstance(raw, str) else raw for raw in heard)
    assert b"of-the-owner" not in traffic
    assert str(place).encode() not in traffic


def environment(pid):
    parts = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {part.partition(b"=")[0].decode() for part in parts if part}


def secrets_in(pid):
    """Whether the owner's key is anywhere in the memory that a process has written."""
    wanted = KEY.encode()
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            area, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in area.split("-"))
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                if wanted in memory.read(min(end - start, 1 << 28)):
                    return True
    return False


TRAVERSALS = [
    form.format(up)
    for up in ("..", "%2e%2e", "%2E%2e", "..%2f", "..%5c", "..\\", "%252e%252e", ".%00.", "....//",
               "%c0%ae%c0%ae", "..;")
    for form in ("{0}/published.db", "{0}/{0}/published.db", "pictures/{0}/{0}/published.db",
                 "{0}/{0}/{0}/{0}/{0}/etc/passwd", "item/{0}/{0}/snapshot.json",
                 "data/{0}/../{0}/voila.json")
]  # fmt: skip
ELSEWHERE = [
    "published.db", "snapshot.json", "_headers", ".nojekyll", ".git/config", "pictures/", "data/",
    "pictures", "item/", "pictures/x.webp", "pictures/0000000000000000-s.webp", "etc/passwd",
    "index.html/..", "index.html%00.png", "PICTURES", "con", "nul", "file:///etc/passwd",
]  # fmt: skip
ROUTES = (
    "/site/",
    "/",
    "/voila/static/",
    "/voila/files/",
    "/voila/templates/halfpenny-public/static/",
)


def test_no_way_of_writing_a_path_leads_out_of_the_site(server, place, snapshot):
    url, _ = server
    paths = [route + path for route in ROUTES for path in (*TRAVERSALS, *ELSEWHERE)]
    paths += [
        f"/?{name}={path}" for name in ("item", "path", "template") for path in TRAVERSALS[:3]
    ]
    paths += ["/api/contents", "/api/kernels", "/api/kernels/x", "/api/sessions", "/api/terminals",
              "/files/x", "/lab", "/tree", "/login", "/logout", "/voila/render/public.ipynb",
              "/voila/tree", "/voila/query/x", "/nbextensions/x", "//etc/passwd",
              "/voila/api/contents/", "/public.ipynb", "/voila.json"]  # fmt: skip
    assert len(paths) > 200
    kept = {str(place), "root:x:0", '"tornado_settings"', "SQLite format 3", "halfpenny_snapshot"}
    for path in paths:
        if path.startswith("/?"):
            continue
        status, _, body = get(url, path)
        assert status in {400, 403, 404, 405, 414}, path
        text = body.decode("latin-1")
        assert not [secret for secret in kept if secret in text], path
        assert len(body) < 200, path


def test_links_out_of_the_site_are_not_followed(place, snapshot, server):
    url, _ = server
    with Snapshot(snapshot) as opened:
        entry = next(opened.reader.entries())
    victim = snapshot / "site" / "pictures" / f"{entry.id}-l.webp"
    victim.symlink_to(place / "gallery" / "gallery.db")
    try:
        assert get(url, f"/site/pictures/{victim.name}")[0] == 404
        assert get(url, f"/site/pictures/{entry.id}-m.webp")[0] == 200
    finally:
        victim.unlink()


def test_a_crawl_finds_the_published_items_and_nothing_of_the_others(server, place):
    url, _ = server
    bodies, todo, seen = [], ["/site/index.html", "/robots.txt", "/site/feed.xml"], set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        status, _, body = get(url, path)
        assert status == 200, path
        bodies.append(body)
        if path.endswith((".html", ".xml")):
            base = path.rpartition("/")[0]
            for link in re.findall(r'(?:href|src)="([^"#:,]+)"', body.decode()):
                todo.append(os.path.normpath(f"{base}/{link}"))
    assert sum("/pictures/" in path for path in seen) >= 8
    assert "/site/board/half-penny.html" in seen
    with Gallery(place / "gallery") as gallery:
        items = list(gallery.each())
        private = [item for item in items if PRIVATE in item.prompt]
        secrets = [PRIVATE, *(item.id for item in items), *(item.sha256 for item in items)]
        originals = {gallery.original(item.id) for item in items}
        guesses = [
            guess for i in items for guess in (i.id, i.sha256, i.sha256[:16], i.name) if guess
        ]
    assert len(private) == 2
    assert not [secret for secret in secrets if any(secret.encode() in body for body in bodies)]
    assert not originals & set(bodies)
    for guess in guesses:
        for path in (f"/site/pictures/{guess}-m.webp", f"/site/item/{guess}.html",
                     f"/site/pictures/{guess}.png", f"/voila/files/{guess}.png"):  # fmt: skip
            assert get(url, path)[0] == 404, path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8867", "192.168.1.7", "[::2]", ""])
@pytest.mark.parametrize("path", ["/", "/site/index.html", "/voila/static/voila.js"])
def test_a_foreign_host_name_is_refused_on_every_route(server, host, path):
    assert get(server[0], path, Host=host)[0] in {400, 403}


def test_a_foreign_page_cannot_open_a_channel_or_end_a_visit(server):
    url, _ = server
    kernel_id = visit(url)

    async def opened(**headers):
        address = f"ws{url.removeprefix('http')}api/kernels/{kernel_id}/channels"
        await websocket_connect(HTTPRequest(address, headers=headers))

    evil = {"Origin": "http://evil.example"}
    for headers in (evil, {**evil, "Host": "evil.example"}):
        with pytest.raises(HTTPClientError, match="403"):
            in_a_thread(opened(**headers))
    assert get(url, f"/voila/api/shutdown/{kernel_id}", "POST", b"", **evil)[0] == 403
    assert get(url, f"/api/kernels/{uuid.uuid4()}")[0] == 404
    leave(url, kernel_id)


@pytest.mark.parametrize(
    "path", ["/site/index.html", "/site/gallery.js", "/nothing", "/robots.txt"]
)
def test_every_answer_carries_the_security_headers(server, path):
    _, headers, _ = get(server[0], path)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Set-Cookie" not in headers


def test_the_page_holds_the_first_pictures_before_any_script(server):
    url, _ = server
    kernel_id = visit(url)
    leave(url, kernel_id)
    status, headers, body = get(url, "/")
    while status == 503:
        status, headers, body = get(url, "/")
    text = body.decode()
    assert text.count('<img src="site/pictures/') == 4
    assert '<a href="site/board/half-penny.html">Half-penny</a>' in text
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert not re.search(r'(?:src|href)="https?:', text)
    leave(url, re.search(r'"kernelId": "([0-9a-f-]{36})"', text)[1])


@LINUX
def test_kernels_stay_within_the_cap_and_a_full_page_says_so(server):
    url, process = server
    taken = []
    try:
        while True:
            status, headers, body = get(url, "/")
            assert len(kernels(process.pid)) <= 3
            if status == 503:
                if len(taken) == 3:
                    break
                time.sleep(0.2)
                continue
            taken.append(re.search(rb'"kernelId": "([0-9a-f-]{36})"', body)[1].decode())
        assert headers["Retry-After"]
        assert b"site/index.html" in body
        assert get(url, "/site/index.html")[0] == 200
    finally:
        for kernel_id in taken:
            leave(url, kernel_id)
    again = visit(url)
    leave(url, again)
