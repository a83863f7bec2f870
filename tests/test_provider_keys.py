"""Keys from the keyring and from a hidden prompt go to their origin, and nowhere else."""

import getpass
from collections.abc import Iterator

import keyring
import keyring.backend
import keyring.errors
import pytest

from playground import connect
from playground.errors import ProviderProblem
from playground.provider import keys

OPENAI = "https://api.openai.com"
CANARY = "sk-CANARY-of-the-keyring"
NOBODY: dict[str, str] = {}


class Memory(keyring.backend.KeyringBackend):
    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked("locked")
        return self.kept.get((service, username))


@pytest.fixture
def ring() -> Iterator[Memory]:
    before = keyring.get_keyring()
    memory = Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def test_a_key_in_the_keyring_is_used_for_its_origin_only(ring: Memory) -> None:
    ring.kept["halfpenny", OPENAI] = CANARY
    with connect("openai", environ=NOBODY) as client:
        assert client.provider == "openai"
        assert CANARY not in repr(client)
    assert keys.stored("https://elsewhere.example") is None
    with connect(base_url="http://127.0.0.1:9/v1", environ=NOBODY) as local:
        assert local.provider == "127.0.0.1:9"


def test_a_locked_keyring_is_no_key_and_the_message_says_what_to_do(ring: Memory) -> None:
    ring.locked = True
    with pytest.raises(ProviderProblem, match="keyring set halfpenny"):
        connect("openai", environ=NOBODY)


def test_without_being_told_to_the_keyring_does_not_choose_the_paid_provider(ring: Memory) -> None:
    ring.kept["halfpenny", OPENAI] = CANARY
    with connect(environ=NOBODY) as client:
        assert client.is_sample


def test_a_missing_key_is_asked_for_only_where_that_was_allowed(
    ring: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def prompt(text: str) -> str:
        asked.append(text)
        return f" {CANARY} "

    monkeypatch.setattr(getpass, "getpass", prompt)
    with connect("openai", environ=NOBODY, ask=True) as client:
        assert client.provider == "openai"
    assert len(asked) == 1
    assert OPENAI in asked[0]
    with pytest.raises(ProviderProblem, match="no API key"):
        connect("openai", environ=NOBODY)
    assert len(asked) == 1


def test_an_empty_answer_is_no_key(ring: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda text: "")
    with pytest.raises(ProviderProblem, match="no API key"):
        connect("openai", environ=NOBODY, ask=True)
