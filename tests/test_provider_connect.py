"""Which provider, which address, which key: a key never leaves for a stranger's origin."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import pytest

from playground.errors import ProviderProblem
from playground.provider.client import Client
from playground.provider.connect import connect, provider_name
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.provider.offline.wire import Call, Reply
from playground.values import Failed, Generated, ImageRequest

KEY = "sk-CANARY0123456789abcdefghijklmnop"
IMAGE = ImageRequest(prompt="sea", size="1440x480")


class Watching(OfflineApp):
    """Remembers the Authorization headers that arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.headers: list[dict[str, str]] = []

    def handle(self, call: Call) -> Reply:
        self.keys.append(call.headers.get("authorization", ""))
        self.headers.append(dict(call.headers))
        return super().handle(call)


@pytest.fixture
def server() -> Iterator[OfflineServer]:
    with OfflineServer(Watching()) as running:
        yield running


def ask(client: Client, folder: Path) -> object:
    with client:
        return client.perform(IMAGE, attempt_id="a", spool=folder / "a")


def keys_at(server: OfflineServer) -> list[str]:
    assert isinstance(server.app, Watching)
    return server.app.keys


def test_without_settings_the_offline_provider_answers() -> None:
    with connect(environ={}) as client:
        assert client.provider == "offline"
        assert client.is_sample


def test_a_key_means_openai() -> None:
    with connect(environ={"OPENAI_API_KEY": KEY}) as client:
        assert client.provider == "openai"
        assert client.base_url == "https://api.openai.com/v1"
        assert not client.is_sample
        assert KEY not in repr(client)


def test_offline_wins_over_a_key_when_it_is_asked_for() -> None:
    environ = {"OPENAI_API_KEY": KEY, "PLAYGROUND_PROVIDER": "offline"}
    with connect(environ=environ) as client:
        assert client.is_sample
    with connect("offline", environ={"OPENAI_API_KEY": KEY}) as client:
        assert client.is_sample


def test_openai_without_a_key_is_refused() -> None:
    with pytest.raises(ProviderProblem, match="no API key"):
        connect("openai", environ={})


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ProviderProblem, match="choose offline or openai"):
        provider_name("azure", environ={})


def test_offline_with_an_address_is_a_contradiction() -> None:
    with pytest.raises(ProviderProblem, match="Nothing was sent"):
        connect("offline", base_url="http://127.0.0.1:1/v1", environ={})


def test_a_hijacked_base_url_gets_not_a_byte(server: OfflineServer) -> None:
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    with pytest.raises(ProviderProblem) as caught:
        connect(environ=environ)
    assert "Nothing was sent" in str(caught.value)
    assert f"PLAYGROUND_API_KEY_ORIGIN=http://127.0.0.1:{server.port}" in str(caught.value)
    assert KEY not in str(caught.value)
    assert keys_at(server) == []


def test_a_hijacked_base_url_is_refused_for_a_passed_key_too(server: OfflineServer) -> None:
    with pytest.raises(ProviderProblem, match="pass base_url="):
        connect(api_key=KEY, environ={"OPENAI_BASE_URL": server.base_url})
    assert keys_at(server) == []


@pytest.mark.parametrize(
    "address",
    [
        "http://liar.example/v1",
        "http://10.0.0.1:8000/v1",
        "http://127.0.0.1.liar.example/v1",
        "http://localhost.liar.example/v1",
        "http://0.0.0.0:8000/v1",
    ],
)
def test_plain_http_is_spoken_to_this_machine_only(address: str) -> None:
    for environ in ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": address}, {}):
        with pytest.raises(ProviderProblem, match=r"plain http|belongs to"):
            connect(base_url=None if environ else address, environ=environ)
    with pytest.raises(ProviderProblem, match="plain http"):
        connect(base_url=address, api_key=KEY, environ={})


@pytest.mark.parametrize(
    "address", ["ftp://host/v1", "host/v1", "https://", "", "https://[::1", "file:///etc/passwd"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ProviderProblem):
        connect(base_url=address or "x", environ={})


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ProviderProblem) as caught:
        connect(base_url="https://user:hunter2secret@host/v1", environ={})
    assert "hunter2secret" not in str(caught.value)


def test_a_local_address_never_gets_the_openai_key(server: OfflineServer, tmp_path: Path) -> None:
    client = connect(base_url=server.base_url, environ={"OPENAI_API_KEY": KEY})
    assert isinstance(ask(client, tmp_path), Generated)
    assert keys_at(server) == ["Bearer local"]


def test_a_local_address_needs_no_key(server: OfflineServer, tmp_path: Path) -> None:
    for environ in ({"OPENAI_BASE_URL": server.base_url}, {}):
        address = None if environ else server.base_url
        assert isinstance(ask(connect(base_url=address, environ=environ), tmp_path), Generated)
    assert keys_at(server) == ["Bearer local"] * 2


def test_a_placeholder_key_in_the_environment_does_not_stand_in_the_way(
    server: OfflineServer, tmp_path: Path
) -> None:
    environ = {"OPENAI_API_KEY": "dummy", "OPENAI_BASE_URL": server.base_url}
    assert isinstance(ask(connect(environ=environ), tmp_path), Generated)
    assert keys_at(server) == ["Bearer local"]


def test_a_key_passed_with_its_address_goes_there(server: OfflineServer, tmp_path: Path) -> None:
    client = connect(base_url=server.base_url, api_key=KEY, environ={})
    assert isinstance(ask(client, tmp_path), Generated)
    assert keys_at(server) == [f"Bearer {KEY}"]


def test_a_key_bound_to_an_origin_goes_only_there(server: OfflineServer, tmp_path: Path) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    environ = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": server.base_url,
        "PLAYGROUND_API_KEY_ORIGIN": origin,
    }
    assert isinstance(ask(connect(environ=environ), tmp_path), Generated)
    assert keys_at(server) == [f"Bearer {KEY}"]
    with pytest.raises(ProviderProblem, match="no API key for api"):
        connect(environ={**environ, "OPENAI_BASE_URL": "https://api.openai.com/v1"})
    with pytest.raises(ProviderProblem, match="belongs to"):
        connect(environ={**environ, "OPENAI_BASE_URL": "https://other.example/v1"})


def test_another_host_is_named_as_the_provider() -> None:
    with connect(base_url="https://other.example/v1", api_key=KEY, environ={}) as client:
        assert client.provider == "other.example"


def test_other_endpoints_get_no_organization_and_no_custom_headers(
    server: OfflineServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-CANARY")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-CANARY")
    monkeypatch.setenv(
        "OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-CANARYcustom\nX-Me: CANARY"
    )
    assert isinstance(ask(connect(base_url=server.base_url), tmp_path), Generated)
    assert isinstance(server.app, Watching)
    assert "CANARY" not in str(server.app.headers)
    assert server.app.headers[0]["authorization"] == "Bearer local"


def test_a_redirect_is_not_followed_and_gets_no_key(tmp_path: Path) -> None:
    with OfflineServer(Watching()) as other:
        location = f"http://127.0.0.1:{other.port}/v1/images/generations"

        class Redirecting(OfflineApp):
            def handle(self, call: Call) -> Reply:
                return Reply(307, headers=[("location", location)], length=0)

        with OfflineServer(Redirecting()) as server:
            outcome = ask(connect(base_url=server.base_url, api_key=KEY, environ={}), tmp_path)
        assert isinstance(outcome, Failed)
        assert outcome.kind == "redirect"
        assert keys_at(other) == []


def test_a_key_with_a_line_break_is_refused() -> None:
    with pytest.raises(ProviderProblem) as caught:
        connect(api_key=f"{KEY}\n", environ={})
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "https://no-such-host.invalid/v1"])
def test_no_network_is_said_in_one_sentence(address: str, tmp_path: Path) -> None:
    outcome = ask(connect(base_url=address, environ={}), tmp_path)
    assert isinstance(outcome, Failed)
    assert outcome.kind == "not_sent"
    assert "Nothing was sent and nothing was billed" in outcome.message
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_tls_is_a_failure_before_sending(
    server: OfflineServer, tmp_path: Path
) -> None:
    address = server.base_url.replace("http://", "https://")
    outcome = ask(connect(base_url=address, api_key=KEY, environ={}), tmp_path)
    assert isinstance(outcome, Failed)
    assert outcome.kind == "not_sent"


@pytest.mark.parametrize(
    "address", ["https://ho st/v1", "https://host:99999/v1", "https://[1::2::3]/"]
)
def test_what_no_client_can_use_is_refused(address: str) -> None:
    with pytest.raises(ProviderProblem, match="no address"):
        connect(base_url=address, environ={})


def test_a_verbose_traceback_of_a_refusal_shows_no_key() -> None:
    environ = {"OPENAI_BASE_URL": "https://liar.example/v1", "OPENAI_API_KEY": KEY}
    shown = verbose(lambda: connect(environ=environ))
    assert "belongs to https://api.openai.com" in shown
    assert "CANARY" not in shown
    passed = {"OPENAI_BASE_URL": "https://liar.example/v1"}
    assert "CANARY" not in verbose(lambda: connect(api_key=KEY, environ=passed))


def test_a_verbose_traceback_of_an_interrupted_call_shows_no_key(
    server: OfflineServer, tmp_path: Path
) -> None:
    def interrupted(index: int, data: bytes) -> None:
        raise KeyboardInterrupt

    with connect(base_url=server.base_url, api_key=KEY, environ={}) as client:
        shown = verbose(
            lambda: client.perform(
                IMAGE.with_(partial_images=1),
                attempt_id="a",
                spool=tmp_path / "a",
                on_partial=interrupted,
            )
        )
    assert "KeyboardInterrupt" in shown
    assert "CANARY" not in shown


def verbose(action: Callable[[], object]) -> str:
    """The traceback of `action` with all variables, as a notebook shows it; ours only."""
    from IPython.core.ultratb import VerboseTB

    try:
        action()
    except BaseException:
        kind, problem, trace = sys.exc_info()
        assert trace is not None
        # The test's own frames hold the key on purpose.
        while trace is not None and not in_package(trace):
            trace = trace.tb_next
        assert trace is not None
        return str(VerboseTB(theme_name="nocolor").text(kind, problem, trace))
    pytest.fail("nothing was raised")


def in_package(trace: TracebackType) -> bool:
    return Path(trace.tb_frame.f_code.co_filename).parent.name == "provider"


def test_importing_connect_loads_no_sdk() -> None:
    script = textwrap.dedent(
        """
        import sys
        import playground.provider.connect
        print([m for m in ("openai", "httpx2", "PIL", "tiktoken") if m in sys.modules])
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
