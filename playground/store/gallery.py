"""A gallery: what was generated, captioned and imported, with its ledger, in a folder or by URL."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from playground.errors import GalleryProblem, InvalidRequest
from playground.size import Size
from playground.store import (
    cards,
    changes,
    edits,
    facets,
    files,
    imported,
    items,
    lineage,
    many,
    opening,
    results,
    schema,
    searches,
    told,
    upkeep,
)
from playground.store.changes import Change
from playground.store.database import SqliteDatabase
from playground.store.ledger import Ledger, steady_seconds
from playground.store.lineage import Lineage
from playground.store.records import (
    Finding,
    Page,
    Sort,
    Where,
    clean,
    clean_tags,
    microseconds,
)
from playground.store.searches import SavedSearch
from playground.values import GalleryItem, Photo

if TYPE_CHECKING:
    import pandas as pd

    from playground.store.cards import Card
    from playground.store.wall import Wall

DEFAULT_FOLDER = "gallery"
CACHE = "cache"
"""A folder in the gallery's of what is only there to be quick; it may be deleted."""

_ANYTHING = Where()


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Gallery:
    """One gallery, opened; use it as a context manager, from any thread.

    `location` is a folder (made when it is missing) or a `postgresql://` URL, whose originals are
    in `files` (a folder or an fsspec URL). Without them, PLAYGROUND_GALLERY and PLAYGROUND_FILES
    count, else `./gallery`.

    `id` is the gallery's own, `folder` its place on this machine, `ledger` its money book;
    `notices` are sentences to show to the user (a newer format, a network disk, a migration).

    Raises:
        GalleryProblem: when it is damaged, not mounted, or cannot be made; nothing is changed.
    """

    def __init__(
        self,
        location: str | Path | None = None,
        *,
        files: str | Path | None = None,
        read_only: bool = False,
        clock: Callable[[], dt.datetime] | None = None,
        keep_free_bytes: int | None = None,
        sqlite_version: tuple[int, int, int] | None = None,
    ) -> None:
        """Open a gallery.

        `keep_free_bytes` is the room on the disk below which nothing new is bought (default: 200
        MiB, or a twentieth of a small disk). `clock` and `sqlite_version` stand in for the
        machine's own in tests.
        """
        place = location or os.environ.get("PLAYGROUND_GALLERY") or DEFAULT_FOLDER
        files = files or os.environ.get("PLAYGROUND_FILES")
        self._clock = clock or _utc_now
        if "://" in str(place):
            url = str(place)
            if not url.startswith("postgres"):
                msg = f"A gallery is a folder or a postgresql:// URL, not {url.partition('://')[0]}://"
                raise GalleryProblem(msg)
            url = url.replace("postgres://", "postgresql://", 1)
            self._opened = opening.open_url(
                url, files, read_only=read_only, clock=self._clock, keep_free_bytes=keep_free_bytes
            )
        else:
            self._opened = opening.open_folder(
                Path(place).expanduser().absolute(),
                read_only=read_only,
                clock=self._clock,
                sqlite_version=sqlite_version or sqlite3.sqlite_version_info,
                keep_free_bytes=keep_free_bytes,
            )
        self.id = self._opened.id
        self.folder = self._opened.folder
        self.notices = tuple(self._opened.notices)
        self._database = self._opened.database
        self._originals = self._opened.originals
        self.ledger = Ledger(
            self._database,
            spool=self.folder / opening.SPOOL,
            disk=self._opened.disk,
            clock=self._clock,
            steady=None if clock else steady_seconds,
        )

    @property
    def read_only(self) -> bool:
        """Whether the gallery is open for viewing only."""
        return bool(self._database.read_only)

    @property
    def why_read_only(self) -> str:
        """The reason why nothing can be changed, or ""."""
        return self._database.read_only

    @property
    def location(self) -> str:
        """Where the gallery is, to be shown: a folder, or a URL without its password."""
        return str(getattr(self._database, "name", self.folder))

    def close(self) -> None:
        """End this process's lease and close the database."""
        try:
            if not self.read_only:
                self.ledger.close()
        finally:
            self._database.close()
            if self._opened.scratch is not None:
                self._opened.scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gallery({self.location!r})"

    # -- files ---------------------------------------------------------------------------------

    def spool_path(self, attempt_id: str) -> Path:
        """Where the raw answer of an attempt is complete (`.body`; `.part` while it arrives)."""
        return self.folder / opening.SPOOL / f"{attempt_id}.body"

    def uploads_folder(self) -> Path | None:
        """Where photos wait that were given to a page and are no items yet; None where nothing may
        be changed.
        """
        return None if self.read_only else self.folder / opening.UPLOADS

    def store_file(self, data: bytes, format: str) -> str:  # noqa: A002 - the field's own word
        """Store an original durably, byte for byte; its SHA-256.

        Raises:
            GalleryProblem: when the disk is full or refuses; then nothing has its final name.
        """
        self._check_writable()
        sha256 = files.sha256_of(data)
        self._originals.put(files.name_of(sha256, format), data)
        return sha256

    def adopt(self, photo: Photo, data: bytes | None = None) -> None:
        """Keep the file of a measured photo, without copying it where possible.

        `data` are its bytes, checked against its hash; they are read where they are needed and
        missing. Its row comes with its first caption
        (`Ledger.bulk`, `adopted`); until then the file is only there.

        Raises:
            GalleryProblem: when it cannot be stored.
        """
        self._check_writable()
        assert photo.path is not None
        name = files.name_of(str(photo.sha256), str(photo.format))

        def read() -> bytes:
            return files.unchanged(photo) if data is None else data

        size_bytes = photo.size_bytes if data is None else len(data)
        self._originals.adopt(name, photo.path, size_bytes or 0, read)

    def sync_adopted(self, photos: Iterable[Photo]) -> None:
        """Make the files of adopted photos durable; to be called before their rows are made.

        Raises:
            GalleryProblem: when the disk refuses.
        """
        self._originals.sync(
            files.name_of(str(photo.sha256), str(photo.format)) for photo in photos
        )

    def adopted(self, photo: Photo) -> str | None:
        """The id of the item of a photo whose file is kept here; None when it is not."""
        if photo.sha256 is None or photo.format is None:
            return None
        found = self.find_photo(photo.sha256)
        if found is None:
            try:
                data = self._originals.get(files.name_of(photo.sha256, photo.format))
            except GalleryProblem:
                return None
            found = self.add_photo(photo, data, name=photo.name)
        return found.id

    def original(self, item_id: str) -> bytes:
        """The original's bytes; GalleryProblem when the file is gone."""
        return self._originals.get(self._file_of(item_id))

    def original_path(self, item_id: str) -> Path:
        """The original's path on this machine; it must not be changed."""
        return self._originals.path(self._file_of(item_id))

    def _file_of(self, item_id: str) -> str:
        item = self.item(item_id)
        return files.name_of(item.sha256, item.format)

    def thumbnail(self, item_id: str) -> bytes | None:
        """The small picture of an item, or of the original with this SHA-256."""
        table = schema.thumbnails
        with self._database.read() as connection:
            seq = items.resolve(connection, item_id)
            query = sa.select(table.c.data).join(
                schema.items, schema.items.c.sha256 == table.c.sha256
            )
            found = connection.execute(query.where(schema.items.c.seq == seq)).scalar_one_or_none()
        return None if found is None else bytes(found)

    def thumbnails(self, item_ids: Sequence[str]) -> dict[str, bytes]:
        """The small pictures of a page of items (full ids), by id; those that exist."""
        table = schema.thumbnails
        query = (
            sa.select(schema.items.c.id, table.c.data)
            .join(schema.items, schema.items.c.sha256 == table.c.sha256)
            .where(schema.items.c.id.in_(list(item_ids)))
        )
        with self._database.read() as connection:
            return {row.id: bytes(row.data) for row in connection.execute(query)}

    def set_thumbnail(self, sha256: str, data: bytes, size: Size) -> None:
        """Keep a small picture of an original (a few tens of kilobytes), replacing another."""
        self._database.write(lambda conn: results.put_thumbnail(conn, sha256, data, size))

    # -- items ---------------------------------------------------------------------------------

    def item(self, item_id: str) -> GalleryItem:
        """One item by its id, a unique beginning of it, or its file's SHA-256.

        Raises:
            GalleryProblem: when there is none, or several begin so.
        """
        with self._database.read() as connection:
            (item,) = items.load(connection, [items.resolve(connection, item_id)])
        return item

    def find_photo(self, sha256: str) -> GalleryItem | None:
        """The item whose original has this hash, if any; live ones before those in the trash."""
        with self._database.read() as connection:
            seq = results.first_of_file(connection, sha256)
            return items.load(connection, [seq])[0] if seq is not None else None

    def search(
        self,
        text: str = "",
        *,
        where: Where = _ANYTHING,
        sort: Sort = "newest",
        limit: int = 50,
        after: str | None = None,
        trash: bool = False,
    ) -> Page:
        """Items that hold the words and all the facets, a page at a time.

        Words, "phrases", prefix*, -not; any text is safe. `after` is the `next` of the page
        before. `trash` looks among deleted items instead.

        Raises:
            InvalidRequest: for an unknown sort, a limit beyond 1 to 1000, or a foreign `after`.
        """
        with self._database.read() as connection:
            return items.page(
                connection, text=text, where=where, sort=sort, limit=limit, after=after, trash=trash
            )

    @cached_property
    def wall(self) -> Wall:
        """Answers about all items at once, from memory: for pages that count, sort and jump."""
        from playground.store.wall import Wall

        at_home = isinstance(self._database, SqliteDatabase)
        return Wall(self._database, self.folder / CACHE if at_home else None)

    def cards(self, seqs: Sequence[int]) -> list[Card]:
        """What a wall shows of the items with these seqs (`Answer.seqs`), in their order."""
        with self._database.read() as connection:
            return cards.load(connection, seqs)

    def has_original(self, sha256: str, format: str) -> bool:  # noqa: A002 - the field's word
        """Whether an original's file is there; True where asking would take a network."""
        if not isinstance(self._originals, files.FolderOriginals):
            return True
        return (self._originals.folder / files.name_of(sha256, format)).exists()

    def set_tints(self, tints: Mapping[str, int]) -> None:
        """Keep items' mean colours (0xRRGGBB) by their ids."""
        table = schema.items
        update = sa.update(table).where(table.c.id == sa.bindparam("of"))
        rows = [{"of": item_id, "colour": tint} for item_id, tint in tints.items()]
        values = update.values(tint=sa.bindparam("colour"))

        def job(connection: sa.Connection) -> dict[int, int]:
            connection.execute(values, rows)
            ids = list(tints)
            found = connection.execute(
                sa.select(table.c.seq, table.c.id).where(table.c.id.in_(ids))
            )
            return {row.seq: tints[row.id] for row in found}

        self.wall.tinted(self._database.write(job))

    def each(
        self, text: str = "", *, where: Where = _ANYTHING, sort: Sort = "newest"
    ) -> Iterable[GalleryItem]:
        """Every item of a search, a page at a time in memory."""
        after = None
        while True:
            page = self.search(text, where=where, sort=sort, limit=items.MAX_PAGE // 2, after=after)
            yield from page
            after = page.next
            if after is None:
                return

    def items(
        self, text: str = "", *, where: Where = _ANYTHING, sort: Sort = "newest"
    ) -> pd.DataFrame:
        """The items of a search as a table, one row each; dollars are `Decimal`, times UTC."""
        import pandas as pd

        rows = [
            {
                "id": item.id,
                "kind": item.kind,
                "name": item.name,
                "title": item.title,
                "prompt": item.prompt,
                "model": item.model,
                "size": str(item.size),
                "quality": item.quality,
                "tier": item.tier,
                "rating": item.rating,
                "tags": list(item.tags),
                "collection": item.collection,
                "note": item.note,
                "alt": item.alt,
                "captions": [caption.text for caption in item.captions],
                "quoted_low": item.quoted_low,
                "quoted_high": item.quoted_high,
                "billed": item.billed,
                "total_billed": item.total_billed,
                "sample": item.sample,
                "created_at": item.created_at,
                "sha256": item.sha256,
            }
            for item in self.each(text, where=where, sort=sort)
        ]
        table = pd.DataFrame(rows, columns=None if rows else ["id"])
        if rows:
            table["rating"] = table["rating"].astype("Int64")
        return table.set_index("id")

    def add_photo(
        self,
        photo: Photo,
        data: bytes,
        *,
        name: str,
        thumbnail: tuple[bytes, Size] | None = None,
        title: str = "",
        alt: str = "",
        collection: str = "",
        tags: Sequence[str] = (),
        at: dt.datetime | None = None,
    ) -> GalleryItem:
        """Keep a photo, byte for byte; the same bytes again give the same item.

        Raises:
            GalleryProblem: when the file changed since it was measured, or cannot be stored.
        """
        sha256 = files.sha256_of(data)
        if photo.sha256 not in {None, sha256}:
            msg = f"{name} changed while it was read; nothing was stored, try it again"
            raise GalleryProblem(msg)
        if photo.format is None:
            msg = f"{name} has no known format; measure the file first"
            raise InvalidRequest(msg)
        found = self.find_photo(sha256)
        if found is not None:
            return found
        format_ = photo.format
        self.store_file(data, format_)
        now_us = microseconds(at or self._clock())

        def job(connection: sa.Connection) -> int:
            there = results.first_of_file(connection, sha256)
            if there is not None:
                return there
            results.put_file(
                connection,
                sha256=sha256,
                format_=format_,
                size=photo.size,
                size_bytes=len(data),
                now_us=now_us,
            )
            if thumbnail is not None:
                results.put_thumbnail(connection, sha256, *thumbnail)
            values = {
                "kind": "photo",
                "sha256": sha256,
                # Two programs that import the same bytes at once end up with one item.
                "job_key": f"photo:{sha256}",
                "slot": 0,
                "created_at_us": now_us,
                "name": clean(name),
                "title": clean(title),
                "alt": clean(alt),
                "collection": clean(collection),
                "width_px": photo.size.width_px,
                "height_px": photo.size.height_px,
            }
            item_id, _ = results.put_item(connection, values, tags=tags)
            return items.resolve(connection, item_id)

        seq = self._database.write(job)
        with self._database.read() as connection:
            return items.load(connection, [seq])[0]

    def take_in(
        self, batch: Sequence[tuple[imported.Imported, bytes]]
    ) -> list[tuple[GalleryItem, bool]]:
        """Keep pictures from elsewhere with what is known about them, in one step.

        Returns:
            The item of each, and whether it is new: bytes that were there before stay as they
            are annotated, and gain captions that they lack.

        Raises:
            GalleryProblem: when a file changed since it was measured, or cannot be stored.
        """
        for one, data in batch:
            if one.photo.sha256 != files.sha256_of(data):
                msg = f"{one.name} changed while it was read; nothing was stored, try it again"
                raise GalleryProblem(msg)
            self.store_file(data, str(one.photo.format))
        now_us = microseconds(self._clock())

        def job(connection: sa.Connection) -> list[tuple[int, bool]]:
            made = [imported.put(connection, one, now_us) for one, _ in batch]
            for (one, _), (seq, new) in zip(batch, made, strict=True):
                if not new:
                    imported.add_words(connection, seq, one.captions, now_us)
            return made

        made = self._database.write(job)
        with self._database.read() as connection:
            loaded = items.load(connection, [seq for seq, _ in made])
        return [(item, new) for item, (_, new) in zip(loaded, made, strict=True)]

    def add_many(self, batch: Sequence[imported.Imported]) -> list[str]:
        """Make items of originals that are kept already (`store_file`).

        Ten thousand at a time is quickest. Unlike `take_in`, each gets an item of its own, also
        where its bytes are known: it is for filling a gallery from records whose files were moved
        here before.

        Returns:
            Their ids.
        """
        now_us = microseconds(self._clock())
        return self._database.write(lambda connection: many.put(connection, batch, now_us))

    def add_words(self, item_id: str, words: Sequence[imported.Words]) -> int:
        """Add captions from elsewhere that the item lacks; how many were new."""
        now_us = microseconds(self._clock())
        return self._database.write(
            lambda connection: imported.add_words(
                connection, items.resolve(connection, item_id), words, now_us
            )
        )

    def annotate(
        self,
        item_id: str,
        *,
        rating: int | EllipsisType | None = ...,
        note: str | EllipsisType = ...,
        title: str | EllipsisType = ...,
        alt: str | EllipsisType = ...,
        caption: str | EllipsisType = ...,
        collection: str | EllipsisType = ...,
        tag: Sequence[str] = (),
        untag: Sequence[str] = (),
        expected_version: int | None = None,
        by: str | None = None,
    ) -> GalleryItem:
        """Change what is said about an item; what is left out stays. Every edit is recorded.

        `caption` is the owner's own, beside those of models. With `expected_version` (the
        `version` of the item that was looked at), an edit of a field that somebody else changed
        since is refused.

        Raises:
            GalleryProblem: for such a conflict (both values are told and kept), or no such item.
            InvalidRequest: for a rating that is not 1 to 5, or a tag longer than 64 characters.
        """
        given = {
            "rating": rating,
            "note": note,
            "title": title,
            "alt": alt,
            "caption": caption,
            "collection": collection,
        }
        changes = edits.check({name: value for name, value in given.items() if value is not ...})
        now_us = microseconds(self._clock())
        who = self._who(by)
        outcome = self._database.write(
            lambda connection: edits.annotate(
                connection,
                item_id,
                changes,
                tag=tag,
                untag=untag,
                expected_version=expected_version,
                who=who,
                now_us=now_us,
            )
        )
        if isinstance(outcome, GalleryProblem):
            raise outcome
        return outcome

    def delete(self, item_id: str, *, by: str | None = None) -> GalleryItem:
        """Put an item into the trash; its file stays, and `restore` brings it back."""
        return self._set_deleted(item_id, by, deleted=True)

    def restore(self, item_id: str, *, by: str | None = None) -> GalleryItem:
        """Take an item out of the trash."""
        return self._set_deleted(item_id, by, deleted=False)

    def _set_deleted(self, item_id: str, by: str | None, *, deleted: bool) -> GalleryItem:
        now_us, who = microseconds(self._clock()), self._who(by)
        return self._database.write(
            lambda connection: edits.set_deleted(
                connection, item_id, deleted=deleted, who=who, now_us=now_us
            )
        )

    def annotate_many(
        self,
        which: Sequence[str] | Sequence[int],
        *,
        rating: int | EllipsisType | None = ...,
        note: str | EllipsisType = ...,
        collection: str | EllipsisType = ...,
        tag: Sequence[str] = (),
        untag: Sequence[str] = (),
        accept_alt: bool = False,
        deleted: bool | None = None,
        by: str | None = None,
    ) -> Change:
        """Change many items in one transaction; the change can be undone by its id (`undo`).

        `which` are full ids, or seqs (`Answer.every`). `accept_alt` makes a model's draft the
        alternative text where there is none; `deleted` moves into the trash, or out of it.

        Raises:
            InvalidRequest: for more than 100,000 items, a wrong rating, or a tag too long.
        """
        given = {"rating": rating, "note": note, "collection": collection}
        wanted = edits.check({name: value for name, value in given.items() if value is not ...})
        add, remove = clean_tags(tag), clean_tags(untag)
        now_us, who = microseconds(self._clock()), self._who(by)

        def job(connection: sa.Connection) -> Change:
            seqs = [one for one in which if isinstance(one, int)]
            seqs += changes.seqs_of(connection, [one for one in which if isinstance(one, str)])
            return changes.annotate(
                connection, list(dict.fromkeys(seqs)), wanted, tag=add, untag=remove,
                accept=accept_alt, deleted=deleted, who=who, now_us=now_us,
            )  # fmt: skip

        return self._database.write(job)

    def undo(self, change_id: str, *, by: str | None = None) -> Change:
        """Undo a change (`Edit.change_id`, `Change.id`), also one of many items or an undoing.

        Fields that were changed again since stay as they are and are counted.

        Raises:
            GalleryProblem: when there is no such change.
        """
        now_us, who = microseconds(self._clock()), self._who(by)
        return self._database.write(
            lambda connection: changes.undo(connection, change_id, who=who, now_us=now_us)
        )

    def lineage(self, item_id: str) -> Lineage:
        """What an item was made from, what was made of it, and what the line cost."""
        with self._database.read() as connection:
            return lineage.lineage(connection, items.resolve(connection, item_id))

    def saved_searches(self) -> list[SavedSearch]:
        """The searches that were given a name."""
        with self._database.read() as connection:
            return searches.every(connection)

    def save_search(self, name: str, query: str, sort: Sort = "newest") -> None:
        """Give a search a name; one of this name is replaced."""
        one = searches.checked(name, query, sort)
        now_us = microseconds(self._clock())
        self._database.write(lambda connection: searches.save(connection, one, now_us))

    def forget_search(self, name: str) -> None:
        """Forget a named search; its pictures stay."""
        self._database.write(lambda connection: searches.forget(connection, name))

    def history(self, item_id: str) -> list[edits.Edit]:
        """All edits of an item, the oldest first, refused ones included."""
        with self._database.read() as connection:
            return edits.history(connection, item_id)

    def facets(self) -> dict[str, list[tuple[Any, int]]]:
        """What the items can be filtered by, with counts: kinds, models, ratings, tags."""
        with self._database.read() as connection:
            return facets.facets(connection)

    @staticmethod
    def _who(by: str | None) -> str:
        if by is not None:
            return by
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):
            return "owner"

    # -- money and upkeep ----------------------------------------------------------------------

    def answered(self, job_keys: Sequence[str]) -> set[str]:
        """Those of the jobs that were billed and answered."""
        return self.ledger.answered(job_keys)

    def answers(self, job_keys: Sequence[str]) -> dict[str, int]:
        """The id of the newest caption that answers each question (its key); at most some 500."""
        with self._database.read() as connection:
            return told.answers(connection, job_keys)

    def newest_of_run(self, run_id: str, *, limit: int = 24) -> list[told.Told]:
        """The last captions that a run brought, the newest first."""
        with self._database.read() as connection:
            return told.newest(connection, run_id, limit)

    def bill_of_run(self, run_id: str) -> told.RunBill:
        """How many answers a run brought, and what they were quoted and billed."""
        with self._database.read() as connection:
            return told.bill(connection, run_id)

    def spend(self, by: str = "day") -> list[dict[str, Any]]:
        """Money by `day`, `model`, `tier` or `run`: settled, held and quoted dollars."""
        return self.ledger.spend(by)

    def verify(self, *, full: bool = False, repair: bool = False) -> list[Finding]:
        """What is wrong, and how to mend it; `full` reads every original again.

        `repair` mends what can be derived (search index, sums, stray temporary files) after an
        automatic backup; it moves and never deletes.
        """
        if repair:
            self._check_writable()
        return upkeep.verify(self._opened, self.ledger, self._clock(), full=full, repair=repair)

    def backup(self, dest: str | Path) -> Path:
        """A whole copy of the gallery in the new folder `dest`, with a manifest of hashes."""
        return upkeep.backup(self._opened, Path(dest).expanduser().absolute())

    def _check_writable(self) -> None:
        if self.read_only:
            msg = f"{self.why_read_only.rstrip('.')}; nothing was changed."
            raise GalleryProblem(msg)
