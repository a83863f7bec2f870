"""Files and batches of the embedded provider, asked with the real SDK."""

from __future__ import annotations

import base64
import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from playground import pricing
from playground.provider.offline import draw
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.provider.transport import InProcessTransport
from playground.size import Size

PHOTO = draw.picture(draw.Wanted("lake", Size(320, 240), output_format="jpeg"))
LINK = "data:image/jpeg;base64," + base64.b64encode(PHOTO).decode()
ENDED = {"completed", "failed", "expired", "cancelled"}


def sdk(app: OfflineApp) -> openai.OpenAI:
    http = httpx2.Client(transport=InProcessTransport(app))
    return openai.OpenAI(
        api_key="local", base_url="http://offline.invalid/v1", max_retries=0, http_client=http
    )


def line(custom_id: str, **changes: Any) -> dict[str, Any]:
    body = {
        "model": "gpt-5.4-nano",
        "max_output_tokens": 60,
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": f"What is this? {custom_id}"},
                    {"type": "input_image", "image_url": LINK, "detail": "low"},
                ],
            }
        ],
    }
    body |= changes.pop("body", {})
    given = {"custom_id": custom_id, "method": "POST", "url": "/v1/responses", "body": body}
    return given | changes


def upload(client: openai.OpenAI, lines: list[Any]) -> str:
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    file = ("batch.jsonl", text.encode(), "application/jsonl")
    return client.files.create(file=file, purpose="batch").id


def create(client: openai.OpenAI, file_id: str, **more: Any) -> Any:
    fields = {"endpoint": "/v1/responses", "completion_window": "24h", **more}
    return client.batches.create(input_file_id=file_id, **fields)


def ended(client: openai.OpenAI, batch_id: str) -> tuple[Any, list[str]]:
    """The batch at its end, and every status that was seen on the way."""
    seen = []
    for _ in range(50):
        batch = client.batches.retrieve(batch_id)
        seen.append(batch.status)
        if batch.status in ENDED:
            return batch, seen
    raise AssertionError(seen)


def ids(client: openai.OpenAI, file_id: str | None) -> list[str]:
    if file_id is None:
        return []
    return [json.loads(one)["custom_id"] for one in client.files.content(file_id).text.splitlines()]


def run(lines: list[Any], faults: str | None = None) -> tuple[Any, openai.OpenAI, OfflineApp]:
    app = OfflineApp(faults=faults)
    client = sdk(app)
    batch, _ = ended(client, create(client, upload(client, lines)).id)
    return batch, client, app


def test_a_batch_passes_every_status_and_answers_in_another_order() -> None:
    app = OfflineApp()
    client = sdk(app)
    asked = [f"line-{number}" for number in range(12)]
    made = create(client, upload(client, [line(one) for one in asked]), metadata={"mine": "7"})
    assert (made.status, made.metadata) == ("validating", {"mine": "7"})
    batch, seen = ended(client, made.id)
    assert seen == ["in_progress", "finalizing", "completed"]
    assert batch.request_counts.to_dict() == {"total": 12, "completed": 12, "failed": 0}
    answered = ids(client, batch.output_file_id)
    assert sorted(answered) == sorted(asked)
    assert answered != asked
    assert batch.error_file_id is None


def test_a_line_is_billed_at_half_the_live_price_and_counted_in_the_usage() -> None:
    batch, client, app = run([line("a"), line("b")])
    live = OfflineApp()
    sdk(live).responses.create(**line("a")["body"])
    assert app.truth.calls[0].billed == live.truth.calls[0].billed / 2
    assert app.truth.dollars == sum((call.billed for call in app.truth.calls), Decimal(0))
    assert {call.client_request_id for call in app.truth.calls} == {"a", "b"}
    usages = [
        json.loads(one)["response"]["body"]["usage"]
        for one in client.files.content(batch.output_file_id).text.splitlines()
    ]
    assert batch.usage.input_tokens == sum(usage["input_tokens"] for usage in usages)
    assert batch.usage.output_tokens == sum(usage["output_tokens"] for usage in usages)
    usage = app.truth.calls[0].usage
    assert pricing.bill("gpt-5.4-nano", usage, tier="batch").dollars == app.truth.calls[0].billed


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["not json"], "invalid_json_line"),
        ([line("a"), line("a")], "duplicate_custom_id"),
        ([line("a", url="/v1/chat/completions")], "mismatched_endpoint"),
        ([line("a"), line("b", body={"model": "gpt-5.4-mini"})], "mismatched_model"),
        ([line("a", body={"model": "gpt-5.3-codex"})], "model_not_supported"),
        ([line("")], "missing_required_parameter"),
        ([], "empty_file"),
    ],
)
def test_a_bad_file_fails_before_anything_is_billed(lines: list[Any], code: str) -> None:
    batch, _, app = run(lines)
    assert batch.status == "failed"
    assert code in {error.code for error in batch.errors.data}
    assert app.truth.requests == 0


def test_more_lines_than_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.provider.offline.batches.MAX_LINES", 3)
    batch, _, _ = run([line(str(number)) for number in range(4)])
    assert batch.errors.data[0].code == "too_many_lines"


def test_what_is_no_batch_is_refused_in_the_words_of_the_api() -> None:
    client = sdk(OfflineApp())
    file_id = upload(client, [line("a")])
    with pytest.raises(openai.BadRequestError, match="moderations"):
        create(client, file_id, endpoint="/v1/moderations")
    with pytest.raises(openai.BadRequestError, match="24h"):
        create(client, file_id, completion_window="1h")
    with pytest.raises(openai.BadRequestError, match="No such File"):
        create(client, "file-nothing")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_nothing")
    with pytest.raises(openai.NotFoundError):
        client.files.content("file-nothing")


def test_a_refused_line_is_in_the_error_file_and_costs_nothing() -> None:
    broken = line("b")
    broken["body"]["input"][0]["content"][1]["image_url"] = "data:image/png;base64,AAAA"
    batch, client, app = run([line("a"), broken])
    assert ids(client, batch.output_file_id) == ["a"]
    assert ids(client, batch.error_file_id) == ["b"]
    error = json.loads(client.files.content(batch.error_file_id).text)
    assert error["response"]["status_code"] == 400
    assert [call.billed > 0 for call in app.truth.calls] == [True, False]


def test_an_expired_batch_brings_and_bills_what_was_done() -> None:
    asked = [f"line-{number}" for number in range(10)]
    batch, client, app = run([line(one) for one in asked], "batch-expired")
    assert batch.status == "expired"
    assert len(ids(client, batch.output_file_id)) == 6
    rest = [json.loads(one) for one in client.files.content(batch.error_file_id).text.splitlines()]
    assert {one["error"]["code"] for one in rest} == {"batch_expired"}
    assert len(rest) == 4
    assert app.truth.requests == 6


def test_a_cancelled_batch_keeps_what_was_done() -> None:
    app = OfflineApp(faults="batch-slow")
    client = sdk(app)
    made = create(client, upload(client, [line(str(number)) for number in range(10)]))
    for _ in range(3):
        client.batches.retrieve(made.id)
    assert client.batches.cancel(made.id).status == "cancelling"
    batch, _ = ended(client, made.id)
    assert batch.status == "cancelled"
    assert len(ids(client, batch.output_file_id)) == app.truth.requests == 4
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(made.id)


def test_files_and_batches_are_listed_in_pages_and_deleted() -> None:
    client = sdk(OfflineApp())
    files = [upload(client, [line("a")]) for _ in range(5)]
    made = [create(client, file_id).id for file_id in files]
    assert [one.id for one in client.batches.list(limit=2)] == made[::-1]
    assert {one.id for one in client.files.list(limit=2, purpose="batch")} == set(files)
    assert client.files.delete(files[0]).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(files[0])


def test_a_connection_that_breaks_after_the_work_leaves_its_result() -> None:
    app = OfflineApp(faults="create-lost")
    client = sdk(app)
    with pytest.raises(openai.APIConnectionError):
        create(client, upload(client, [line("a")]))
    assert len(list(client.batches.list())) == 1
    client = sdk(OfflineApp(faults="upload-lost"))
    with pytest.raises(openai.APIConnectionError):
        upload(client, [line("a")])
    assert len(list(client.files.list())) == 1


def test_a_folder_lets_batches_outlive_the_process(tmp_path: Path) -> None:
    first = OfflineApp()
    first.desk.remember_in(tmp_path)
    made = create(sdk(first), upload(sdk(first), [line("a")]))
    second = OfflineApp()
    second.desk.remember_in(tmp_path)
    batch, _ = ended(sdk(second), made.id)
    assert ids(sdk(second), batch.output_file_id) == ["a"]


def test_a_server_goes_on_without_being_looked_at() -> None:
    with (
        OfflineServer(OfflineApp()) as server,
        openai.OpenAI(api_key="local", base_url=server.base_url, max_retries=0) as client,
    ):
        made = create(client, upload(client, [line("a"), line("b")]))
        while server.app.desk.busy.is_set():
            threading.Event().wait(0.01)
        batch = client.batches.retrieve(made.id)
        assert batch.status == "completed"
        assert sorted(ids(client, batch.output_file_id)) == ["a", "b"]
        assert client.files.delete(batch.output_file_id).deleted
