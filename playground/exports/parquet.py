"""Parquet with real types, for pandas, DuckDB, Polars and Arrow: the columns of `rows`.

Dollars are decimals with twelve places (a picodollar), lists are lists, `created_at` is a UTC
time, attributes are texts. Rows are written in groups, so that memory stays flat.
"""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import GalleryProblem
from playground.exports import destination, fields, rows, tables
from playground.exports.report import Exported
from playground.exports.selection import ALL, Selection
from playground.store import Gallery

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

_GROUP_ROWS = 5_000
_LISTS = frozenset({"tags", "caption_tags", "parents"})
_PICO = Decimal("0.000000000001")


def to_parquet(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.EVERYTHING,
    force: bool = False,
) -> Exported:
    """Write a Parquet file (zstd) with one row per item.

    Raises:
        GalleryProblem: when pyarrow is not installed (how to install it is said), when `path`
            exists (without `force`) or cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ImportError as missing:
        msg = "Parquet needs pyarrow: pip install 'halfpenny[parquet]'; CSV and JSON need nothing"
        raise GalleryProblem(msg) from missing
    count = 0
    with (
        destination.file(Path(path), force=force) as out,
        tables.spooled(chosen.items(gallery), groups) as (spool, attributes),
    ):
        names = rows.columns(groups, attributes)
        schema = pa.schema([(name, _type(pa, name)) for name in names])
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            lines = tables.reread(spool)
            while part := list(itertools.islice(lines, _GROUP_ROWS)):
                columns = {name: [_value(name, one.get(name)) for one in part] for name in names}
                writer.write_table(pa.table(columns, schema=schema))
                count += len(part)
    return Exported(str(path), "parquet", count)


def _type(pa: Any, name: str) -> pa.DataType:
    if name == "sample":
        return pa.bool_()
    if name in rows.WHOLE:
        return pa.int64()
    if name in rows.DOLLARS:
        return pa.decimal128(24, 12)
    if name in _LISTS:
        return pa.list_(pa.string())
    if name == "created_at":
        return pa.timestamp("us", tz="UTC")
    return pa.float64() if name == "seconds" else pa.string()


def _value(name: str, value: Any) -> Any:
    if name in _LISTS:
        return list(rows.parted(value or ""))
    if value is None:
        return None
    if name in rows.DOLLARS:
        return Decimal(value).quantize(_PICO)
    if name == "created_at":
        return dt.datetime.fromisoformat(value)
    return value
