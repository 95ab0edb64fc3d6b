"""Feeds: added, changed, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faultsight.app.feed_stores import FeedStores
from faultsight.app.folders import StateFolder
from faultsight.app.roles import Principal
from faultsight.core.errors import ConflictError, SettingError
from faultsight.flow.config import FeedConfig
from faultsight.stores.operations import Feed, IngestedFile, Operations, Page

__all__ = ["FeedView", "Feeds", "checked_config", "config_of"]

_FIXED = ("name", "kind", "interval_s")


@dataclass(frozen=True)
class FeedView:
    """A feed as it is shown.

    Attributes
    ----------
    name, kind, interval_s, settings, version
        As it is stored; the settings with every default.
    columns : sequence of str
        KPIs, or attributes and measures, as seen so far.
    data_until_s, scored_until_s : int, optional
        How far it is.
    active_model : str, optional
        The model that scores.
    """

    name: str
    kind: str
    interval_s: int
    settings: dict[str, Any]
    columns: Sequence[str]
    data_until_s: int | None
    scored_until_s: int | None
    active_model: str | None
    version: int


def config_of(feed: Feed) -> FeedConfig:
    """Return the rules of a stored feed.

    Raises
    ------
    SettingError
        If its settings cannot be used.
    """
    return checked_config(feed.name, feed.kind, feed.interval_s, feed.settings)


def checked_config(
    name: str, kind: str, interval_s: int, settings: Mapping[str, Any]
) -> FeedConfig:
    """Return the rules that settings tell.

    Raises
    ------
    SettingError
        If a key is not known or fixed, a value is not possible, or a file lies elsewhere.
    """
    for key in _FIXED:
        if key in settings:
            raise SettingError(f"{key} of a feed is no setting and stays as it is")
    return FeedConfig.from_dict({"name": name, "kind": kind, "interval_s": interval_s, **settings})


def _told(config: FeedConfig) -> dict[str, Any]:
    return {key: value for key, value in config.to_dict().items() if key not in _FIXED}


class Feeds:
    """All feeds."""

    def __init__(self, ops: Operations, stores: FeedStores, folder: StateFolder) -> None:
        self._ops = ops
        self._stores = stores
        self._folder = folder

    def list(self) -> list[FeedView]:
        """Return all feeds, by name."""
        return [self._view(feed) for feed in self._ops.feeds.list()]

    def get(self, name: str) -> FeedView:
        """Return one feed."""
        return self._view(self._ops.feeds.get(name))

    def config(self, name: str) -> FeedConfig:
        """Return the rules of a feed."""
        return config_of(self._ops.feeds.get(name))

    def add(
        self,
        name: str,
        kind: str,
        interval_s: int,
        settings: Mapping[str, Any],
        who: Principal,
    ) -> FeedView:
        """Add a feed.

        Raises
        ------
        SettingError
            If a setting is not known or not possible.
        ConflictError
            If the name is taken.
        """
        config = checked_config(name, kind, interval_s, settings)
        with self._ops.transaction() as tx:
            if any(feed.name == name for feed in self._ops.feeds.list(tx=tx)):
                raise ConflictError(f"there is a feed {name!r} already")
            feed = self._ops.feeds.add(name, kind, interval_s, _told(config), tx=tx)
            detail = {"kind": kind, "interval_s": interval_s}
            self._ops.audit.append(who.name, "added", f"feed {name}", detail=detail, tx=tx)
        return self._view(feed)

    def change(
        self,
        name: str,
        settings: Mapping[str, Any],
        *,
        why: str,
        who: Principal,
        expected_version: int | None = None,
    ) -> FeedView:
        """Change settings of a feed; those not named stay.

        Raises
        ------
        StaleVersionError
            If somebody else was faster.
        """
        with self._ops.transaction() as tx:
            before = self._ops.feeds.get(name, tx=tx)
            config = checked_config(
                name, before.kind, before.interval_s, {**before.settings, **settings}
            )
            feed = self._ops.feeds.set_settings(
                name, _told(config), expected_version=expected_version, tx=tx
            )
            old = {key: before.settings.get(key) for key in settings}
            self._ops.audit.append(
                who.name, "changed", f"feed {name}", why=why,
                detail={"old": old, "new": dict(settings)}, tx=tx,
            )  # fmt: skip
        return self._view(feed)

    def quarantine(self, name: str) -> dict[str, int]:
        """Return how many rows were set aside, by reason."""
        self._ops.feeds.get(name)
        return self._ops.files.quarantined(name)

    def files(self, name: str, *, after: str | None, limit: int) -> Page[IngestedFile]:
        """Return the files that were taken in."""
        self._ops.feeds.get(name)
        return self._ops.files.page(name, after=after, limit=limit)

    def _view(self, feed: Feed) -> FeedView:
        active = self._ops.models.active(feed.name)
        return FeedView(
            name=feed.name,
            kind=feed.kind,
            interval_s=feed.interval_s,
            settings=dict(feed.settings),
            columns=self._columns(feed),
            data_until_s=feed.watermark.data_until_s,
            scored_until_s=feed.watermark.scored_until_s,
            active_model=None if active is None else active.id,
            version=feed.version,
        )

    def _columns(self, feed: Feed) -> Sequence[str]:
        if feed.kind == "polls":
            return ()
        store = self._stores.kpi_or_none(feed.name)
        if store is None:
            return ()
        own = () if store.kind == "kpi" else store.attributes
        return (*own, *store.columns)
