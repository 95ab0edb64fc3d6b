"""Feeds: the streams of telemetry, how far each has come, and what late data have touched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import ConflictError, InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._topic import Topic, check_version

__all__ = ["DirtyWindows", "Feed", "Feeds", "Watermark"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_KINDS = ("kpi", "cube", "polls")


@dataclass(frozen=True)
class Watermark:
    """How far a feed has come; None where nothing is known.

    Attributes
    ----------
    data_until_s : int, optional
        The first second after the newest data seen.
    scored_until_s : int, optional
        The first second that is not scored yet.
    """

    data_until_s: int | None
    scored_until_s: int | None


@dataclass(frozen=True)
class Feed:
    """One stream of telemetry.

    Attributes
    ----------
    name : str
        A lower-case letter, then up to 63 of ``a-z0-9_-``.
    kind : str
        ``kpi``, ``cube`` or ``polls``.
    interval_s : int
        Seconds from sample to sample.
    settings : mapping
        What the loop needs to know of it, as JSON values.
    watermark : Watermark
        How far it has come.
    version : int
        One more with every change of the settings.
    """

    name: str
    kind: str
    interval_s: int
    settings: Mapping[str, Any]
    watermark: Watermark
    version: int


@dataclass(frozen=True)
class DirtyWindows:
    """What late data have touched and has to be scored anew.

    Attributes
    ----------
    windows : mapping of str to TimeWindow
        One span for each entity, over all that was marked.
    through : int
        Give it to `Feeds.clear_dirty` when the span is scored.
    """

    windows: Mapping[str, TimeWindow]
    through: int


class Feeds(Topic):
    """The streams of telemetry."""

    def add(
        self,
        name: str,
        kind: str,
        interval_s: int,
        settings: Mapping[str, Any] | None = None,
        *,
        tx: Transaction | None = None,
    ) -> Feed:
        """Add a feed, or return the one that is there with the same kind and interval.

        Raises
        ------
        InputError
            If the name, kind or interval cannot be.
        ConflictError
            If there is a feed of that name with another kind or interval.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"{name!r} is no feed name: a-z, then up to 63 of a-z 0-9 _ -")
        if kind not in _KINDS or interval_s <= 0:
            raise InputError(f"feed {name!r}: kind {kind!r}, interval {interval_s} s cannot be")
        with self._database.writing(tx) as tx:
            table = schema.feeds
            row = tx.execute(sa.select(table).where(table.c.name == name)).first()
            if row is None:
                tx.execute(
                    table.insert().values(
                        name=name,
                        kind=kind,
                        interval_s=interval_s,
                        settings=dict(settings or {}),
                        last_model_version=0,
                        created_s=self._database.now_s(),
                        version=1,
                    )
                )
            elif (row.kind, row.interval_s) != (kind, interval_s):
                raise ConflictError(
                    f"feed {name!r} is there as {row.kind}, every {row.interval_s} s"
                )
            return self.get(name, tx=tx)

    def get(self, name: str, *, tx: Transaction | None = None) -> Feed:
        """Return a feed.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        """
        with self._database.reading(tx) as tx:
            return _feed(self._row(tx, schema.feeds, "feed", name=name))

    def list(self, *, tx: Transaction | None = None) -> list[Feed]:
        """Return all feeds by name."""
        with self._database.reading(tx) as tx:
            rows = tx.execute(sa.select(schema.feeds).order_by(schema.feeds.c.name))
            return [_feed(row) for row in rows]

    def set_settings(
        self,
        name: str,
        settings: Mapping[str, Any],
        *,
        expected_version: int | None = None,
        tx: Transaction | None = None,
    ) -> Feed:
        """Replace a feed's settings.

        Raises
        ------
        NotFoundError, StaleVersionError
            If there is no such feed, or it was changed since that version.
        """
        with self._database.writing(tx) as tx:
            row = self._row(tx, schema.feeds, "feed", name=name)
            check_version("feed", name, row.version, expected_version)
            if row.settings != settings:
                self._update(tx, name, settings=dict(settings), version=row.version + 1)
            return self.get(name, tx=tx)

    def watermark(self, name: str, *, tx: Transaction | None = None) -> Watermark:
        """Return how far a feed has come."""
        return self.get(name, tx=tx).watermark

    def set_watermark(
        self,
        name: str,
        *,
        data_until_s: int | None = None,
        scored_until_s: int | None = None,
        tx: Transaction | None = None,
    ) -> Watermark:
        """Say how far a feed has come; data only ever go forward, scores may be taken back.

        What is None stays as it is.
        """
        with self._database.writing(tx) as tx:
            row = self._row(tx, schema.feeds, "feed", name=name)
            new: dict[str, int] = {}
            if data_until_s is not None:
                new["data_until_s"] = max(data_until_s, row.data_until_s or data_until_s)
            if scored_until_s is not None:
                new["scored_until_s"] = scored_until_s
            if new:
                self._update(tx, name, **new)
            return self.watermark(name, tx=tx)

    def mark_dirty(
        self,
        feed: str,
        windows: Mapping[str, TimeWindow] | Iterable[tuple[str, TimeWindow]],
        *,
        tx: Transaction | None = None,
    ) -> None:
        """Note which span of which entity late data have touched."""
        pairs = windows.items() if isinstance(windows, Mapping) else windows
        rows = [
            {"feed": feed, "entity": entity, "start_s": window.start_s, "end_s": window.end_s}
            for entity, window in pairs
        ]
        with self._database.writing(tx) as tx:
            self._check_feed(tx, feed)
            if rows:
                tx.execute(schema.dirty_windows.insert(), rows)

    def dirty(self, feed: str, *, tx: Transaction | None = None) -> DirtyWindows:
        """Return what is to be scored anew; it stays until `clear_dirty`, so no crash loses it."""
        table = schema.dirty_windows
        with self._database.reading(tx) as tx:
            rows = tx.execute(sa.select(table).where(table.c.feed == feed).order_by(table.c.id))
            windows: dict[str, TimeWindow] = {}
            through = 0
            for row in rows:
                through = row.id
                old = windows.get(row.entity, TimeWindow(row.start_s, row.end_s))
                windows[row.entity] = TimeWindow(
                    min(old.start_s, row.start_s), max(old.end_s, row.end_s)
                )
            return DirtyWindows(dict(sorted(windows.items())), through)

    def clear_dirty(self, feed: str, through: int, *, tx: Transaction | None = None) -> None:
        """Forget what `dirty` returned with that ``through``; call it where its scores are told."""
        table = schema.dirty_windows
        with self._database.writing(tx) as tx:
            tx.execute(table.delete().where(table.c.feed == feed, table.c.id <= through))

    def _update(self, tx: Transaction, name: str, **values: Any) -> None:
        tx.execute(schema.feeds.update().where(schema.feeds.c.name == name).values(**values))


def _feed(row: sa.Row[Any]) -> Feed:
    return Feed(
        name=row.name,
        kind=row.kind,
        interval_s=row.interval_s,
        settings=row.settings,
        watermark=Watermark(row.data_until_s, row.scored_until_s),
        version=row.version,
    )
