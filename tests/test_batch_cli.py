"""`playground caption --via batch` and `playground batches`, as people type them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from playground.batch import caption_in_batches
from playground.cli import main
from playground.provider.client import Client
from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.runner import caption_folder
from playground.store import Gallery


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        monkeypatch.chdir(name)
        photos = Path(name) / "photos"
        photos.mkdir()
        for number in range(4):
            Image.new("RGB", (64, 48), (90, 60, number)).save(photos / f"{number}.png")
        yield Path(name)


@pytest.fixture
def run(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def typed(*words: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        status = main([*words, "--gallery", str(place / "g")])
        shown = capsys.readouterr()
        out = json.loads(shown.out) if "--json" in words and shown.out else shown.out
        return status, out, shown.err

    return typed


def test_a_folder_is_captioned_at_half_price(run: Callable[..., Any]) -> None:
    status, live, _ = run("caption", "photos", "--dry-run", "--json")
    status, half, _ = run("caption", "photos", "--via", "batch", "--dry-run", "--json")
    assert status == 0
    price = [Decimal(one["quoted"]["dollars"]["high"]) for one in (live, half)]
    assert price[0] == 2 * price[1]
    status, document, _ = run("caption", "photos", "--via", "batch", "--json")
    assert status == 0
    assert {"captioned", "skipped", "failed", "unknown", "settled_dollars", "held_dollars"} <= {
        *document
    }
    assert {"seconds", "photos_per_second", "errors"} <= {*document}
    assert (document["captioned"], document["waiting"], document["held_dollars"]) == (4, 0, "0")
    assert Decimal(document["settled_dollars"]) < price[1]
    status, again, _ = run("caption", "photos", "--via", "batch", "--json")
    assert (status, again["captioned"], again["skipped"]) == (0, 0, 4)


def test_without_waiting_the_same_command_comes_back(run: Callable[..., Any]) -> None:
    status, out, _ = run("caption", "photos", "--tier", "batch", "--no-wait")
    assert status == 0
    assert "4 photos wait in 1 batch" in out
    assert "run the same command again" in out
    status, listed, _ = run("batches", "--json")
    (batch,) = listed["batches"]
    assert (batch["lines"], batch["waiting"], batch["status"]) == (4, 4, "validating")
    assert "4 of these wait in a batch" in run("caption", "photos", "--dry-run")[1]
    status, out, _ = run("caption", "photos", "--via", "batch")
    assert status == 0
    assert "4 captioned" in out
    assert run("batches")[1] == "no batch waits\n"
    assert "completed" in run("batches", "--all")[1]


def test_a_batch_is_fetched_and_cancelled_by_hand(run: Callable[..., Any]) -> None:
    run("caption", "photos", "--via", "batch", "--no-wait")
    (batch,) = run("batches", "--json")[1]["batches"]
    assert "cancelling" in run("batches", "--cancel", batch["id"][:12])[1]
    status, out, err = run("batches", "--fetch")
    assert (status, out) == (0, "no batch waits\n")
    assert "cancelled at the provider" not in err
    run("caption", "photos", "--via", "batch", "--no-wait")
    for _ in range(5):
        status, out, _ = run("batches", "--fetch")
    assert "no batch waits" in out
    assert run("batches", "--give-up", "nothing")[0] == 1
    assert run("caption", "photos", "--via", "batch", "--json")[1]["skipped"] == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--via", "batch", "--tier", "flex"), "--via batch has the tier batch"),
        (("--via", "live", "--tier", "batch"), "--tier batch goes with --via batch"),
        (("--via", "batch", "--as-is"), "batches turn photos upright"),
        (("--via", "batch", "--pilot", "3"), "a pilot asks live"),
    ],
)
def test_flags_that_contradict_each_other_are_a_usage_error(
    run: Callable[..., Any], place: Path, words: tuple[str, ...], said: str
) -> None:
    status, _, err = run("caption", "photos", *words)
    assert status == 2
    assert said in err
    assert not (place / "g").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--via", "batch", "--model", "gpt-5.3-codex"), "gpt-5.3-codex has no batch tier"),
        (("--tier", "flex", "--model", "gpt-4.1"), "gpt-4.1 has no flex tier"),
    ],
)
def test_a_tier_without_a_price_is_refused_in_one_sentence(
    run: Callable[..., Any], words: tuple[str, ...], said: str
) -> None:
    status, _, err = run("caption", "photos", *words)
    assert status == 1
    assert said in err
    assert "Nothing was sent" in err


def test_the_flex_tier_costs_half_and_waits_for_capacity(place: Path) -> None:
    bills = {}
    for tier, faults in (("standard", None), ("flex", "no-resource=0.4")):
        app = OfflineApp(faults=faults, seed=5)
        with Gallery(place / tier) as gallery:
            client = Client.offline(app, sleep=lambda _: None)
            done = caption_folder(
                place / "photos", gallery, client, tier=tier, concurrency=1, clock=Hurried()
            )
            assert (done.captioned, done.failed, done.held_dollars) == (4, 0, Decimal(0))
            assert gallery.ledger.totals().settled == app.truth.dollars
            assert [row["tier"] for row in gallery.spend("tier")] == [tier]
        bills[tier] = app.truth.dollars
        refused = [call for call in app.truth.calls if call.fault]
        assert bool(refused) is (tier == "flex")
        assert all(call.billed == 0 for call in refused)
    assert bills["standard"] == 2 * bills["flex"]


class Hurried:
    """A clock on which every look is a minute later."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


COMMAND = [sys.executable, "-m", "playground", "caption", "photos", "--via", "batch"]


def pressed_ctrl_c(program: subprocess.Popen[str]) -> tuple[str, str]:
    """What it printed after Ctrl-C, pressed again like a person does when nothing happens.

    Python drops an interrupt that arrives while it clears an object away.
    """
    for _ in range(3):
        program.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return program.communicate(timeout=30)
    raise AssertionError("it does not end")


@pytest.mark.skipif(os.name != "posix", reason="sends the signal of Ctrl-C")
def test_ctrl_c_says_how_to_come_back(place: Path) -> None:
    with OfflineServer(OfflineApp(faults="batch-stuck")) as server:
        words = [*COMMAND, "--gallery", "g", "--base-url", server.base_url, "--json"]
        begun = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not any(one["fault"] for one in server.app.desk._batches.values()):
            assert begun.poll() is None
            threading.Event().wait(0.02)
        with Gallery(place / "g") as gallery:
            while not [b for b in gallery.ledger.batches.unfinished() if b.phase == "running"]:
                assert begun.poll() is None
                threading.Event().wait(0.02)
        out, err = pressed_ctrl_c(begun)
        assert begun.returncode == 130, err
        document = json.loads(out)
        assert document["waiting"] == 4
        assert len(document["batches"]) == 1
        for kept in server.app.desk._batches.values():
            kept["fault"] = ""
        server.app.desk.busy.set()
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
        assert json.loads(done.stdout)["captioned"] == 4
        assert server.app.truth.requests == 4


def test_two_programs_share_the_work(place: Path) -> None:
    with OfflineServer(OfflineApp()) as server:
        words = [*COMMAND, "--gallery", "g", "--base-url", server.base_url, "--json"]
        with Gallery(place / "g"):
            both = [
                subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for _ in range(2)
            ]
            ends = [one.communicate(timeout=120) for one in both]
        assert [one.returncode for one in both] == [0, 0], ends
        assert server.app.truth.requests == 4
        with Gallery(place / "g") as gallery:
            totals = gallery.ledger.totals()
            assert (totals.settled, totals.held) == (server.app.truth.dollars, 0)
            assert [len(item.captions) for item in gallery.each()] == [1] * 4


@pytest.mark.postgres
def test_batches_wait_in_postgresql_too(place: Path, postgres: Any) -> None:
    url = postgres.new_database()
    with OfflineServer(OfflineApp(faults="batch-expired@1")) as server:
        for waits in (False, True):
            with (
                connect(base_url=server.base_url, environ={}) as client,
                Gallery(url, files=place / "files") as gallery,
            ):
                summary = caption_in_batches(
                    place / "photos",
                    gallery,
                    client,
                    wait_for_all=waits,
                    wait=lambda _: False,
                    cap="1",
                )
                totals = gallery.ledger.totals()
        assert summary.captioned == 4
        assert (totals.settled, totals.held) == (server.app.truth.dollars, 0)
        assert server.app.truth.requests == 4
