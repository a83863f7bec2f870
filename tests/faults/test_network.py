"""Over a real socket: one request for one action, whatever the network does."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground import runner
from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.runner import perform
from playground.store import Gallery
from playground.values import Failed, Generated, ImageRequest, Unknown

REQUEST = ImageRequest("a fox", model="gpt-image-2", size="1440x480", quality="low")
STREAMED = REQUEST.with_(prompt="an owl", partial_images=2)


@pytest.mark.parametrize(
    "fault", ["500", "500-billed", "reset", "reset-billed", "truncated", "timeout", "502-html"]
)
def test_an_ambiguous_failure_is_one_request_and_stays_held(tmp_path: Path, fault: str) -> None:
    with (
        OfflineServer(OfflineApp(faults=fault)) as server,
        Gallery(tmp_path / "g") as gallery,
        connect(base_url=server.base_url, environ={}) as client,
    ):
        result = perform(gallery, client, REQUEST, timeout_seconds=1.0)
        assert isinstance(result.outcome, Unknown)
        assert server.app.truth.requests == 1
        totals = gallery.ledger.totals()
        assert totals.settled == 0
        assert totals.held == result.quote.hold >= server.app.truth.dollars


@pytest.mark.parametrize("fault", ["redirect", "redirect-other", "redirect-loop", "401", "quota"])
def test_a_refusal_is_one_request_and_free(tmp_path: Path, fault: str) -> None:
    with (
        OfflineServer(OfflineApp(faults=fault)) as server,
        Gallery(tmp_path / "g") as gallery,
        connect(base_url=server.base_url, environ={}) as client,
    ):
        result = perform(gallery, client, REQUEST)
        assert isinstance(result.outcome, Failed)
        assert server.app.truth.requests == 1
        assert gallery.ledger.totals().committed == 0


def test_a_server_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    with OfflineServer(OfflineApp()) as server:
        url = server.base_url
    with Gallery(tmp_path / "g") as gallery, connect(base_url=url, environ={}) as client:
        result = perform(gallery, client, REQUEST)
        assert isinstance(result.outcome, Failed)
        assert result.outcome.kind == "not_sent"
        assert "Nothing was sent" in result.outcome.message
        assert gallery.ledger.totals().committed == 0


def test_pictures_and_captions_through_a_socket_agree_with_the_provider(tmp_path: Path) -> None:
    with (
        OfflineServer(OfflineApp()) as server,
        Gallery(tmp_path / "g") as gallery,
        connect(base_url=server.base_url, environ={}) as client,
    ):
        made = [
            perform(gallery, client, REQUEST.with_(n=2)),
            perform(gallery, client, STREAMED, on_partial=print_nothing),
        ]
        assert all(isinstance(result.outcome, Generated) for result in made)
        paths = [item.path for result in made for item in result.items]
        summary = runner.caption_folder(
            paths, gallery, client, model=["gpt-5.4-nano", "gpt-5.4-mini"], resize=512
        )
        assert summary.captioned == 6
        assert gallery.ledger.totals().settled == server.app.truth.dollars
        assert gallery.ledger.totals().held == 0
        sent = {call.client_request_id for call in server.app.truth.calls}
        assert len(sent) == server.app.truth.requests == 8


def print_nothing(_index: int, _data: bytes) -> None:
    """A page that shows drafts."""
