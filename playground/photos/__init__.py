"""Photos: folders to measured, hashed pictures; safe decoding, resizing and encoding.

    scan(folder) ─► measure ─► Photo ─► prepare ─► Upload (what is sent)
                                   └──► thumbnail

Headers are read here in plain Python; every decoder runs in a child with a memory limit
(`worker`), because a hostile picture must not end a notebook's kernel.
"""

from playground.photos.decode import SENT, Box, copies, prepare, ready, thumbnail, unchanged
from playground.photos.files import (
    MAX_FILE_BYTES,
    MAX_PIXELS,
    confirm,
    measure,
    measure_many,
    names,
    read,
    resolve,
    scan,
    sniff,
)
from playground.photos.pool import WALL_SECONDS, WORKERS

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_PIXELS",
    "SENT",
    "WALL_SECONDS",
    "WORKERS",
    "Box",
    "confirm",
    "copies",
    "measure",
    "measure_many",
    "names",
    "prepare",
    "read",
    "ready",
    "resolve",
    "scan",
    "sniff",
    "thumbnail",
    "unchanged",
]
