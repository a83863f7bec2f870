"""Captions at half price: photos in batches that a provider answers within a day.

    plan ─► shards ─► reserve ─► upload ─► create ─┄ hours, no process needed ┄─► look ─► ingest

The gallery's ledger knows every batch, so any later program goes on where one stopped.
"""

from playground.batch.folder import caption_in_batches
from playground.batch.run import BatchRun, Standing

__all__ = ["BatchRun", "Standing", "caption_in_batches"]
