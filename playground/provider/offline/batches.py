"""Files and batches of the embedded provider: half the price, within a day, in any order.

It checks as the real API does (platform docs, guides/batch and api-reference/batch, read
2026-07-19): one model and one endpoint per file, unique custom ids, at most 50,000 lines and
200 MB; `validating → in_progress → finalizing → completed`, or failed, expired, cancelled. What
was done when a batch expires or is cancelled is delivered and billed, the rest is not.

Nothing happens behind a client's back: each look at a batch takes it one step further, so that
tests see every status. The loopback server looks by itself, so that there work goes on unseen.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from playground import catalog, pricing
from playground.errors import UnknownModel
from playground.provider.offline import lines, misbehave
from playground.provider.offline.faults import Fault, Faults
from playground.provider.offline.forms import bad, read_json
from playground.provider.offline.truth import Truth
from playground.provider.offline.uploads import Uploads, listed
from playground.provider.offline.wire import ApiError, Call, Cut, Reply, json_reply

MAX_LINES = 50_000
MAX_BYTES = 200_000_000
_MAX_FILE_BYTES = 512_000_000
_DAY_SECONDS = 86_400
_WORK_SECONDS = 1.0
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_EXPIRES_AT, _STEPS = 0.6, 5
_PIECE_BYTES = 65_536

Answerer = Callable[[Call], Any]


class Desk:
    """Uploaded files and batches, in a folder of its own or in one that outlives the process."""

    def __init__(
        self, answer: Mapping[str, Answerer], truth: Truth, faults: Faults, seed: int
    ) -> None:
        self._answer, self._truth, self._faults, self._seed = answer, truth, faults, seed
        self._lock = threading.RLock()
        self._uploads = Uploads()
        self._batches: dict[str, dict[str, Any]] = {}
        self._counts = {
            kind: itertools.count(1) for kind in ("upload", "create", "poll", "content")
        }
        self.busy = threading.Event()

    def remember_in(self, folder: Path) -> None:
        """Keep files and batches there from now on, and know what was kept there before."""
        with self._lock:
            for kept in self._uploads.remember_in(folder):
                self._batches[kept["batch"]["id"]] = kept

    @property
    def _folder(self) -> Path:
        return self._uploads.folder

    def _save(self, name: str, document: Mapping[str, Any]) -> None:
        self._uploads.save(name, document)

    @property
    def _files(self) -> dict[str, dict[str, Any]]:
        return self._uploads.files

    # -- requests ------------------------------------------------------------------------------

    def handle(self, call: Call) -> Reply | None:
        """Answer a call about files or batches; None for any other."""
        parts = call.path.strip("/").split("/")
        if parts[0] != "v1" or len(parts) < 2 or parts[1] not in {"files", "batches"}:
            return None
        with self._lock:
            try:
                where = (call.method, *parts[1:2], *("*" for _ in parts[2:3]), *parts[3:])
                return self._route(call, where, parts[2] if len(parts) > 2 else "")
            except ApiError as problem:
                return json_reply(problem.status, problem.body(), problem.headers)

    def _route(self, call: Call, where: tuple[str, ...], name: str) -> Reply:
        match where:
            case ("POST", "files"):
                return self._faulty(call, "upload", lambda: self._uploads.upload(call))
            case ("GET", "files"):
                return json_reply(200, listed(self._uploads.listing(call), call))
            case ("GET", "files", "*"):
                return json_reply(200, self._uploads.file(name))
            case ("DELETE", "files", "*"):
                return self._uploads.delete(name)
            case ("GET", "files", "*", "content"):
                return self._content(call, name)
            case ("POST", "batches"):
                return self._faulty(call, "create", lambda: self._create(call))
            case ("GET", "batches"):
                newest = reversed([kept["batch"] for kept in self._batches.values()])
                return json_reply(200, listed(list(newest), call))
            case ("GET", "batches", "*"):
                return self._look(call, name)
            case ("POST", "batches", "*", "cancel"):
                return json_reply(200, self._cancel(name))
        raise ApiError(404, f"Invalid URL ({call.method} {call.path})")

    def _picked(self, kind: str, path: str) -> Fault | None:
        fault = self._faults.pick(next(self._counts[kind]), path)
        if fault is None or fault.stage == kind:
            return fault
        general = kind in {"upload", "create"} and fault.stage in {"refuse", "wire"}
        shaping = kind == "create" and fault.stage in {"batch", "lines"}
        return fault if general or shaping else None

    def _faulty(self, call: Call, kind: str, work: Callable[[], dict[str, Any]]) -> Reply:
        fault = self._picked(kind, call.path)
        done = None
        if fault is None or fault.billed or fault.stage in {"batch", "lines"}:
            done = work()
        if fault is None:
            return json_reply(200, done)
        if fault.stage in {"batch", "lines"} and done is not None:
            self._batches[done["id"]]["fault"] = fault.name
            self._save(done["id"], self._batches[done["id"]])
            return json_reply(200, done)
        if fault.stage == "refuse":
            return misbehave.refusal(fault, call.path, call.headers.get("authorization", ""))
        return _dead(fault)

    def _content(self, call: Call, file_id: str) -> Reply:
        fault = self._picked("content", call.path)
        if fault is not None and fault.name == "content-404":
            raise ApiError(404, f"No such File object: {file_id}", param="id")
        return self._uploads.content(file_id, cut=fault is not None)

    # -- batches -------------------------------------------------------------------------------

    def _batch(self, batch_id: str) -> dict[str, Any]:
        if batch_id not in self._batches:
            raise ApiError(404, f"No batch found with id '{batch_id}'.", param="id")
        return self._batches[batch_id]

    def _create(self, call: Call) -> dict[str, Any]:
        fields = read_json(call)
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not isinstance(fields.get(name), str):
                message = f"Missing required parameter: '{name}'."
                raise bad(message, name, "missing_required_parameter")
        if fields["endpoint"] not in self._answer:
            known = ", ".join(f"'{name}'" for name in self._answer)
            raise bad(f"Invalid value: '{fields['endpoint']}'. Supported: {known}.", "endpoint")
        if fields["completion_window"] != "24h":
            raise bad("Invalid value for 'completion_window': only '24h'.", "completion_window")
        metadata = fields.get("metadata") or {}
        if not isinstance(metadata, dict) or not _small(metadata):
            raise bad("Invalid 'metadata': at most 16 pairs of text.", "metadata")
        source = self._files.get(fields["input_file_id"])
        if source is None or source["purpose"] != "batch":
            message = f"No such File object: {fields['input_file_id']}, or not of purpose batch."
            raise bad(message, "input_file_id")
        now = int(time.time())
        document: dict[str, Any] = {
            "id": f"batch_{secrets.token_hex(16)}",
            "object": "batch",
            "endpoint": fields["endpoint"],
            "errors": None,
            "input_file_id": source["id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": now,
            "expires_at": now + _DAY_SECONDS,
            "metadata": metadata,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        kept = {"batch": document, "fault": "", "offset": 0}
        self._batches[document["id"]] = kept
        self._save(document["id"], kept)
        self.busy.set()
        return document

    def _look(self, call: Call, batch_id: str) -> Reply:
        fault = self._picked("poll", call.path)
        kept = self._batch(batch_id)
        if fault is not None:
            raise ApiError(500, "The server had an error.", kind="server_error")
        self._step(kept)
        return json_reply(200, kept["batch"])

    def work(self) -> bool:
        """Take every batch one step further (the server's own clock); whether any is left."""
        left = False
        for kept in list(self._batches.values()):
            if kept["batch"]["status"] in _ENDED or kept["fault"] in {"batch-slow", "batch-stuck"}:
                continue
            with self._lock:
                self._step(kept)
            left = True
        if not left:
            self.busy.clear()
        return left

    def _cancel(self, batch_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self._batch(batch_id)["batch"]
        if document["status"] in _ENDED:
            message = f"Cannot cancel a batch with status '{document['status']}'."
            raise ApiError(409, message, code="invalid_status")
        if document["status"] != "cancelling":
            self._to(self._batches[batch_id], "cancelling")
        return document

    def _to(self, kept: dict[str, Any], status: str) -> None:
        document = kept["batch"]
        document["status"] = status
        document[f"{status}_at"] = int(time.time())
        self._save(document["id"], kept)

    def _step(self, kept: dict[str, Any]) -> None:
        status = kept["batch"]["status"]
        if status == "validating":
            self._validate(kept)
        elif status == "in_progress":
            self._progress(kept)
        elif status in {"finalizing", "cancelling"}:
            self._deliver(
                kept, {"finalizing": kept.get("end", "completed")}.get(status, "cancelled")
            )

    def _validate(self, kept: dict[str, Any]) -> None:
        document = kept["batch"]
        path = self._folder / document["input_file_id"]
        model, count, errors = "", 0, []
        if kept["fault"] == "batch-limit":
            errors = [
                _error("token_limit_exceeded", "Enqueued token limit reached for this model.")
            ]
        elif kept["fault"] == "batch-failed":
            errors = [_error("invalid_json_line", "This line is not parseable as valid JSON.", 1)]
        elif not path.exists():
            errors = [_error("invalid_input_file", "The input file is gone.")]
        elif path.stat().st_size > MAX_BYTES:
            errors = [_error("file_too_large", "The file is larger than 200 MB.")]
        else:
            model, count, errors = _checked(path, document["endpoint"])
        if errors:
            document["errors"] = {"object": "list", "data": errors[:20]}
            self._to(kept, "failed")
            return
        document["model"] = model
        document["request_counts"]["total"] = count
        document["usage"] = lines.no_usage()
        self._to(kept, "in_progress")

    def _progress(self, kept: dict[str, Any]) -> None:
        """Answer some lines: a fifth in a slow batch, else as many as a second allows."""
        document, fault = kept["batch"], kept["fault"]
        if fault == "batch-stuck":
            return
        total = document["request_counts"]["total"]
        most = total
        if fault == "batch-expired":
            most = round(total * _EXPIRES_AT)
        elif fault == "batch-cancelled":
            most = round(total * 0.4)
        done = kept.get("done", 0)
        upto = min(most, done + -(-total // _STEPS)) if fault == "batch-slow" else most
        until = time.monotonic() + _WORK_SECONDS
        folder, batch_id = self._folder, document["id"]
        worker = lines.Worker(document, fault, self._answer, self._truth, self._seed)
        with (
            (folder / document["input_file_id"]).open("rb") as source,
            (folder / f"{batch_id}.good").open("ab") as good,
            (folder / f"{batch_id}.bad").open("ab") as wrong,
        ):
            source.seek(kept["offset"])
            while done < upto and (fault == "batch-slow" or time.monotonic() < until):
                line = source.readline()
                if not line.strip():
                    continue
                for made, fine in worker.answer(line, done):
                    (good if fine else wrong).write(made)
                done += 1
            kept["offset"], kept["done"] = source.tell(), done
        if done < most:
            self._save(batch_id, kept)
            return
        if fault == "batch-cancelled":
            self._to(kept, "cancelling")
            return
        if fault == "batch-expired":
            kept["end"] = "expired"
        self._to(kept, "finalizing")

    def _deliver(self, kept: dict[str, Any], status: str) -> None:
        """Write both files, in another order than the input's, and end the batch."""
        document, batch_id = kept["batch"], kept["batch"]["id"]
        rest = {"expired": "batch_expired", "cancelled": "batch_cancelled"}.get(status)
        good, wrong = self._folder / f"{batch_id}.good", self._folder / f"{batch_id}.bad"
        source = self._folder / document["input_file_id"]
        if rest is not None and source.exists():
            with source.open("rb") as file, wrong.open("ab") as errors:
                file.seek(kept["offset"])
                for line in filter(bytes.strip, file):
                    errors.write(lines.not_done(line, rest))
        for path, name in ((good, "output_file_id"), (wrong, "error_file_id")):
            if path.exists() and path.stat().st_size:
                dice = random.Random(f"{self._seed}/{document['input_file_id']}")  # noqa: S311
                shuffled = _shuffled(path, dice)
                ending = name.removesuffix("_file_id")
                filename = f"{batch_id}_{ending}.jsonl"
                document[name] = self._uploads.keep(shuffled, filename, "batch_output")["id"]
                shuffled.close()
            path.unlink(missing_ok=True)
        if kept["fault"] == "batch-uncounted":
            document.pop("usage", None)
            document["request_counts"] = None
        self._to(kept, status)


def _checked(path: Path, endpoint: str) -> tuple[str, int, list[dict[str, Any]]]:
    """Every line's form: the model, how many lines, and what is wrong."""
    seen: set[str] = set()
    models: set[str] = set()
    errors: list[dict[str, Any]] = []
    number = 0
    with path.open("rb") as file:
        for number, raw in enumerate(filter(bytes.strip, file), 1):
            if number > MAX_LINES:
                return "", number, [_error("too_many_lines", "More than 50,000 requests.")]
            try:
                line = json.loads(raw)
                custom_id, body = line["custom_id"], line["body"]
                right = line["method"] == "POST" and isinstance(body, dict)
            except (ValueError, KeyError, TypeError):
                message = "This line is not parseable as valid JSON."
                errors.append(_error("invalid_json_line", message, number))
                continue
            if not right or not isinstance(custom_id, str) or not custom_id:
                message = "A line needs custom_id, method POST, url and body."
                errors.append(_error("missing_required_parameter", message, number))
                continue
            if line.get("url") != endpoint:
                message = "The URL of this line is not the endpoint of the batch."
                errors.append(_error("mismatched_endpoint", message, number))
            if custom_id in seen:
                message = f"The custom_id for this request is a duplicate of another: {custom_id}."
                errors.append(_error("duplicate_custom_id", message, number))
            seen.add(custom_id)
            models.add(str(body.get("model")))
    if not number:
        errors.append(_error("empty_file", "The input file is empty."))
    if len(models) > 1:
        errors.append(_error("mismatched_model", "All requests of a batch need the same model."))
    name = min(models, default="")
    if not errors and not _has_batch(name):
        errors.append(_error("model_not_supported", f"{name} is not supported by the Batch API."))
    return name, number, errors


def _has_batch(name: str) -> bool:
    try:
        model = catalog.default().model(name)
    except UnknownModel:
        return False
    return "batch" in model.tiers and not model.retired(pricing.today())


def _error(code: str, message: str, line: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "line": line, "param": None}


def _small(metadata: Mapping[Any, Any]) -> bool:
    return len(metadata) <= 16 and all(
        isinstance(value, str) and len(key) <= 64 and len(value) <= 512
        for key, value in metadata.items()
    )


def _shuffled(path: Path, dice: random.Random) -> io.BufferedRandom:
    """The lines of a file in another order, as an open temporary file."""
    offsets = []
    made = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    with path.open("rb") as file:
        offset = 0
        for line in file:
            offsets.append(offset)
            offset += len(line)
        dice.shuffle(offsets)
        for offset in offsets:
            file.seek(offset)
            made.write(file.readline())
    made.seek(0)
    return made


def _dead(fault: Fault) -> Reply:
    if fault.name.startswith("timeout"):
        return Reply(200, wait_seconds=misbehave.HANG_SECONDS, cut=Cut("close"))
    return Reply(200, cut=Cut("refuse" if fault.name == "refuse" else "reset"))
