"""The columns of a large gallery in a file beside its database, so that they are there at once.

The file is only a copy: what came into the gallery after it was written is read from the database
(`columns.refresh`), and a file that is damaged, of another form or of another history of this
gallery (a backup was put back) is not used. Nobody misses it when it is deleted.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from playground.store import schema
from playground.store.columns import ARRAYS, Columns, Links, Marks
from playground.store.database import Database

NAME = "columns.npz"
LEAST = 20_000
"""Smaller galleries are read as quickly as a file."""

_FORM = 1
_LINKS = ("tags", "models", "providers")


def load(path: Path, database: Database) -> Columns | None:
    """The columns as they were written; None where there are none that belong to the database."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            about = json.loads(bytes(kept["about"]).decode("utf-8"))
            if about["form"] != _FORM:
                return None
            marks = Marks(**about["marks"])
            if about["proof"] != _proof(database, marks):
                return None
            return _columns(marks, about, kept)
    except (OSError, ValueError, KeyError, TypeError, EOFError, AssertionError):
        return None
    except Exception as error:  # what zip files can be wrong with has no common name
        if type(error).__module__ in {"zipfile", "zlib"}:
            return None
        raise


def _columns(marks: Marks, about: Mapping[str, Any], kept: Mapping[str, Any]) -> Columns:
    links = {
        name: Links(tuple(about[name]), kept[f"{name}_code"], kept[f"{name}_at"]) for name in _LINKS
    }
    found = Columns(
        marks,
        **{name: kept[name] for name in ARRAYS},
        qualities=tuple(about["qualities"]),
        collections=tuple(about["collections"]),
        captioned=kept["captioned"],
        **links,
    )
    assert all(len(getattr(found, name)) == len(found) for name in (*ARRAYS, "captioned"))
    return found


def save(path: Path, known: Columns, database: Database) -> None:
    """Write the columns; a folder that cannot be written (or is full) is nobody's trouble."""
    about = {
        "form": _FORM,
        "marks": {name: getattr(known.marks, name) for name in Marks.__slots__},
        "proof": _proof(database, known.marks),
        "qualities": known.qualities,
        "collections": known.collections,
        **{name: getattr(known, name).names for name in _LINKS},
    }
    arrays = {name: getattr(known, name) for name in (*ARRAYS, "captioned")}
    for name in _LINKS:
        one = getattr(known, name)
        arrays |= {f"{name}_code": one.code, f"{name}_at": one.at}
    arrays["about"] = np.frombuffer(json.dumps(about).encode("utf-8"), np.uint8)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        try:
            path.parent.mkdir(exist_ok=True)
            with fresh.open("wb") as file:
                np.savez(file, **arrays)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


def _proof(database: Database, marks: Marks) -> list[Any]:
    """What stands at the marks: another history of the same gallery has other rows there."""
    items, captions, history = schema.items, schema.captions, schema.history
    queries = (
        sa.select(items.c.id).where(items.c.seq == marks.items),
        sa.select(captions.c.item_seq, captions.c.created_at_us, captions.c.attempt_id).where(
            captions.c.id == marks.captions
        ),
        sa.select(history.c.item_seq, history.c.at_us, history.c.change_id).where(
            history.c.id == marks.history
        ),
    )
    with database.read() as connection:
        rows = [connection.execute(query).one_or_none() for query in queries]
    return [None if row is None else list(row) for row in rows]
