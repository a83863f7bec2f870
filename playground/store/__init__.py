"""The gallery on disk or on PostgreSQL: schema, ledger, items, search, files."""

from playground.store.changes import Change
from playground.store.edits import Edit
from playground.store.gallery import Gallery
from playground.store.imported import Imported, Words
from playground.store.ledger import Ledger
from playground.store.records import (
    SORTS,
    Attempt,
    Caps,
    Finding,
    NewCaption,
    NewImage,
    Page,
    Sort,
    Totals,
    Where,
)
from playground.store.upkeep import restore_backup

__all__ = [
    "SORTS",
    "Attempt",
    "Caps",
    "Change",
    "Edit",
    "Finding",
    "Gallery",
    "Imported",
    "Ledger",
    "NewCaption",
    "NewImage",
    "Page",
    "Sort",
    "Totals",
    "Where",
    "Words",
    "restore_backup",
]
