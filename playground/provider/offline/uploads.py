"""Uploaded files of the embedded provider, in a folder; the caller holds the lock."""

from __future__ import annotations

import io
import json
import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import create_form_parser

from playground.provider.offline.forms import bad
from playground.provider.offline.wire import ApiError, Call, Cut, Reply, json_reply

_MAX_FILE_BYTES = 512_000_000
_KEPT_SECONDS = 30 * 86_400
_PIECE_BYTES = 65_536


class Uploads:
    """Files by id, and the folder in which they and what belongs to them are kept."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self._scratch: Path | None = None
        self._kept_in: Path | None = None

    def remember_in(self, folder: Path) -> list[dict[str, Any]]:
        """Keep everything there from now on; what was kept there before and is no file.

        Nothing changes when something was kept elsewhere already.
        """
        if self._scratch is not None or self._kept_in == folder:
            return []
        self._kept_in = folder
        others = []
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            document = json.loads(path.read_text("utf-8"))
            if document.get("object") != "file":
                others.append(document)
            elif document["expires_at"] < time.time():
                path.with_suffix("").unlink(missing_ok=True)
                path.unlink()
            else:
                self.files[path.stem] = document
        return others

    @property
    def folder(self) -> Path:
        """Where it is all kept; made when it is needed."""
        if self._kept_in is not None:
            self._kept_in.mkdir(parents=True, exist_ok=True)
            return self._kept_in
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="playground-offline-"))
            weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        return self._scratch

    def save(self, name: str, document: Mapping[str, Any]) -> None:
        """Keep a document beside the files."""
        path = self.folder / f"{name}.json"
        made = path.with_suffix(".new")
        made.write_text(json.dumps(document), "utf-8")
        made.replace(path)

    def file(self, file_id: str) -> dict[str, Any]:
        """One file's document; 404 when there is none."""
        if file_id not in self.files:
            raise ApiError(404, f"No such File object: {file_id}", param="id")
        return self.files[file_id]

    def listing(self, call: Call) -> list[dict[str, Any]]:
        """The documents of a purpose, newest first."""
        purpose = parse_qs(call.query).get("purpose", [""])[-1]
        found = [one for one in self.files.values() if purpose in {"", one["purpose"]}]
        return found[::-1]

    def upload(self, call: Call) -> dict[str, Any]:
        """Take the file of a multipart form."""
        form: dict[str, str] = {}
        held: list[tuple[str, Any]] = []

        def on_field(part: Any) -> None:
            form[part.field_name.decode()] = (part.value or b"").decode("utf-8", "replace")

        def on_file(part: Any) -> None:
            held.append(((part.file_name or b"").decode("utf-8", "replace"), part))

        kind = call.headers.get("content-type", "")
        try:
            parser = create_form_parser({"Content-Type": kind.encode()}, on_field, on_file)
            # Piece by piece: the parser copies what it is given.
            body = memoryview(call.body)
            for start in range(0, len(body), 2**20):
                parser.write(bytes(body[start : start + 2**20]))
            parser.finalize()
            parser.close()
        except (FormParserError, ValueError):
            raise bad("We could not parse the form of your request.", None) from None
        if not held:
            raise bad("'file' is a required property", "file", "missing_required_parameter")
        if form.get("purpose") not in {"batch", "vision", "user_data", "assistants"}:
            raise bad(f"'{form.get('purpose', '')}' is not a known purpose", "purpose")
        name, part = held[0]
        if part.size > _MAX_FILE_BYTES:
            raise ApiError(413, "The file is larger than 512 MB.", code="file_too_large")
        part.file_object.seek(0)
        made = self.keep(part.file_object, name, form["purpose"])
        part.close()
        return made

    def keep(self, source: Any, name: str, purpose: str) -> dict[str, Any]:
        """Keep what can be read from `source` as a file."""
        file_id = f"file-{secrets.token_hex(12)}"
        path = self.folder / file_id
        with path.open("wb") as file:
            shutil.copyfileobj(source, file)
        now = int(time.time())
        document = {
            "id": file_id,
            "object": "file",
            "bytes": path.stat().st_size,
            "created_at": now,
            "expires_at": now + _KEPT_SECONDS,
            "filename": name,
            "purpose": purpose,
            "status": "processed",
            "status_details": None,
        }
        self.files[file_id] = document
        self.save(file_id, document)
        return document

    def delete(self, file_id: str) -> Reply:
        """Forget a file."""
        self.file(file_id)
        del self.files[file_id]
        for path in (self.folder / file_id, self.folder / f"{file_id}.json"):
            path.unlink(missing_ok=True)
        return json_reply(200, {"id": file_id, "object": "file", "deleted": True})

    def content(self, file_id: str, *, cut: bool) -> Reply:
        """A file's bytes, or two thirds of them."""
        size = self.file(file_id)["bytes"]
        until = size * 2 // 3 if cut else size
        headers = [("content-type", "application/octet-stream")]
        # Opened at once: a file that is deleted while it is read stays whole for its reader.
        file = (self.folder / file_id).open("rb")
        return Reply(200, chunks=_pieces(file, until, size), headers=headers, length=size)


def listed(documents: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """A page of a list, as the query asks."""
    asked = {name: values[-1] for name, values in parse_qs(call.query).items()}
    text = asked.get("limit", "20")
    limit = int(text) if text.isdigit() and 1 <= int(text) <= 10_000 else 0
    if not limit:
        raise bad("Invalid 'limit': expected a value from 1 to 10000.", "limit")
    if after := asked.get("after"):
        ids = [document["id"] for document in documents]
        if after not in ids:
            raise bad(f"No object with id '{after}'.", "after")
        documents = documents[ids.index(after) + 1 :]
    shown = documents[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(documents) > limit,
    }


def _pieces(file: io.BufferedReader, until: int, size: int) -> Iterator[bytes | Cut]:
    with file:
        left = until
        while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
            left -= len(piece)
            yield piece
    if until < size:
        yield Cut("close")
