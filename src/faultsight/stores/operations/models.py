"""Models: versions of each feed's detector, where they come from, and which one is at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from faultsight.core.errors import ConflictError, NotFoundError
from faultsight.stores.operations import schema
from faultsight.stores.operations._database import Transaction
from faultsight.stores.operations._paging import Page, read_page
from faultsight.stores.operations._topic import Topic

__all__ = ["ModelDecision", "ModelRecord", "ModelState", "Models"]


class ModelState(StrEnum):
    """Where a model stands."""

    CANDIDATE = "candidate"
    """Made, not decided on."""
    ACTIVE = "active"
    """At work; exactly one of a feed that has any."""
    RETIRED = "retired"
    """Was at work once."""
    REJECTED = "rejected"
    """Did not pass."""


@dataclass(frozen=True)
class ModelRecord:
    """One version of a feed's model.

    Attributes
    ----------
    id : str
        ``FEED/VERSION``.
    feed : str
        Whose.
    version : int
        From 1, in the order in which they were made.
    member : str
        The detector or diagnoser, by name.
    path : str
        The model's folder.
    parent : str, optional
        The model that it was tuned from.
    card : mapping
        How it was made and what it was checked on.
    state : ModelState
        Where it stands.
    created_by : str
        Who or what made it.
    created_s : int
        When.
    """

    id: str
    feed: str
    version: int
    member: str
    path: str
    parent: str | None
    card: Mapping[str, Any]
    state: ModelState
    created_by: str
    created_s: int


@dataclass(frozen=True)
class ModelDecision:
    """Who decided what on a model, when and why.

    Attributes
    ----------
    model_id : str
        On which.
    at_s : int
        When.
    by : str
        Who.
    action : str
        ``added``, ``promoted``, ``retired``, ``rejected`` or ``reverted``.
    why : str
        The reason.
    """

    model_id: str
    at_s: int
    by: str
    action: str
    why: str


class Models(Topic):
    """The models of all feeds."""

    def reserve_version(self, feed: str, *, tx: Transaction | None = None) -> int:
        """Return a version that nobody else will get, so that its folder can be written first.

        Raises
        ------
        NotFoundError
            If there is no such feed.
        """
        table = schema.feeds
        with self._database.writing(tx) as tx:
            version = int(self._row(tx, table, "feed", name=feed).last_model_version) + 1
            update = table.update().where(table.c.name == feed)
            tx.execute(update.values(last_model_version=version))
            return version

    def add(
        self,
        feed: str,
        member: str,
        path: str,
        *,
        parent: str | None = None,
        card: Mapping[str, Any] | None = None,
        by: str,
        version: int | None = None,
        why: str = "",
        tx: Transaction | None = None,
    ) -> ModelRecord:
        """Add a model as a candidate; its folder must be complete.

        Parameters
        ----------
        parent : str, optional
            The id of the model that it was tuned from or is to replace: what `revert` goes back to.
        version : int, optional
            One that `reserve_version` gave; else the next one.

        Raises
        ------
        NotFoundError
            If there is no such feed or parent.
        ConflictError
            If the version is taken or was not reserved.
        """
        with self._database.writing(tx) as tx:
            if version is None:
                version = self.reserve_version(feed, tx=tx)
            reserved = self._row(tx, schema.feeds, "feed", name=feed).last_model_version
            model_id = f"{feed}/{version}"
            found = sa.select(schema.models.c.id).where(schema.models.c.id == model_id)
            if not 1 <= version <= reserved or tx.execute(found).first() is not None:
                raise ConflictError(f"version {version} of {feed!r} is taken or was not reserved")
            if parent is not None and self.get(parent, tx=tx).feed != feed:
                raise ConflictError(f"model {parent!r} is of another feed than {feed!r}")
            tx.execute(
                schema.models.insert().values(
                    id=model_id,
                    feed=feed,
                    version=version,
                    member=member,
                    path=path,
                    parent=parent,
                    card=dict(card or {}),
                    state=ModelState.CANDIDATE.value,
                    created_by=by,
                    created_s=self._database.now_s(),
                )
            )
            self._decide(tx, model_id, by, "added", why)
            return self.get(model_id, tx=tx)

    def promote(
        self, model_id: str, *, by: str, why: str, tx: Transaction | None = None
    ) -> ModelRecord:
        """Put a model to work; the one that was at work is retired in the same moment.

        Raises
        ------
        NotFoundError
            If there is no such model.
        ConflictError
            If it was rejected.
        """
        with self._database.writing(tx) as tx:
            model = self.get(model_id, tx=tx)
            if model.state is ModelState.REJECTED:
                raise ConflictError(f"model {model_id!r} was rejected")
            return self._activate(tx, model, by, "promoted", why)

    def reject(
        self, model_id: str, *, by: str, why: str, tx: Transaction | None = None
    ) -> ModelRecord:
        """Say that a candidate did not pass, and why.

        Raises
        ------
        NotFoundError
            If there is no such model.
        ConflictError
            If it is not a candidate.
        """
        with self._database.writing(tx) as tx:
            model = self.get(model_id, tx=tx)
            if model.state is not ModelState.CANDIDATE:
                raise ConflictError(f"model {model_id!r} is {model.state.value}, no candidate")
            self._set_state(tx, model_id, ModelState.REJECTED)
            self._decide(tx, model_id, by, "rejected", why)
            return self.get(model_id, tx=tx)

    def revert(self, feed: str, *, by: str, why: str, tx: Transaction | None = None) -> ModelRecord:
        """Put the parent of the active model back to work, and return it.

        Raises
        ------
        ConflictError
            If no model is active, or the active one has no parent.
        """
        with self._database.writing(tx) as tx:
            active = self.active(feed, tx=tx)
            if active is None or active.parent is None:
                raise ConflictError(f"feed {feed!r} has no earlier model to go back to")
            return self._activate(tx, self.get(active.parent, tx=tx), by, "reverted", why)

    def active(self, feed: str, *, tx: Transaction | None = None) -> ModelRecord | None:
        """Return the model that is at work, if any."""
        table = schema.models
        query = sa.select(table).where(
            table.c.feed == feed, table.c.state == ModelState.ACTIVE.value
        )
        with self._database.reading(tx) as tx:
            row = tx.execute(query).first()
        return None if row is None else _model(row)

    def get(self, model_id: str, *, tx: Transaction | None = None) -> ModelRecord:
        """Return one model.

        Raises
        ------
        NotFoundError
            If there is none of that id.
        """
        query = sa.select(schema.models).where(schema.models.c.id == model_id)
        with self._database.reading(tx) as tx:
            row = tx.execute(query).first()
        if row is None:
            raise NotFoundError("model", model_id)
        return _model(row)

    def page(
        self,
        feed: str | None = None,
        *,
        after: str | None = None,
        limit: int = 100,
        tx: Transaction | None = None,
    ) -> Page[ModelRecord]:
        """Return models, the newest first."""
        table = schema.models
        query = sa.select(table)
        if feed is not None:
            query = query.where(table.c.feed == feed)
        with self._database.reading(tx) as tx:
            keys = (table.c.version, table.c.feed)
            return read_page(tx, query, keys, _model, after=after, limit=limit)

    def lineage(self, model_id: str, *, tx: Transaction | None = None) -> list[ModelRecord]:
        """Return a model, its parent, the parent of that one, and so on."""
        with self._database.reading(tx) as tx:
            line = [self.get(model_id, tx=tx)]
            while (parent := line[-1].parent) is not None:
                line.append(self.get(parent, tx=tx))
            return line

    def decisions(
        self,
        *,
        feed: str | None = None,
        model_id: str | None = None,
        tx: Transaction | None = None,
    ) -> list[ModelDecision]:
        """Return who decided what, when and why, the oldest first."""
        table, models = schema.model_decisions, schema.models
        query = sa.select(table).join(models, models.c.id == table.c.model_id).order_by(table.c.id)
        if feed is not None:
            query = query.where(models.c.feed == feed)
        if model_id is not None:
            query = query.where(models.c.id == model_id)
        with self._database.reading(tx) as tx:
            return [
                ModelDecision(row.model_id, row.at_s, row.by, row.action, row.why)
                for row in tx.execute(query)
            ]

    def _activate(
        self, tx: Transaction, model: ModelRecord, by: str, action: str, why: str
    ) -> ModelRecord:
        before = self.active(model.feed, tx=tx)
        if before is not None and before.id == model.id:
            return before
        if before is not None:
            self._set_state(tx, before.id, ModelState.RETIRED)
            self._decide(tx, before.id, by, "retired", why)
        self._set_state(tx, model.id, ModelState.ACTIVE)
        self._decide(tx, model.id, by, action, why)
        return self.get(model.id, tx=tx)

    def _set_state(self, tx: Transaction, model_id: str, state: ModelState) -> None:
        table = schema.models
        tx.execute(table.update().where(table.c.id == model_id).values(state=state.value))

    def _decide(self, tx: Transaction, model_id: str, by: str, action: str, why: str) -> None:
        tx.execute(
            schema.model_decisions.insert().values(
                model_id=model_id, at_s=self._database.now_s(), by=by, action=action, why=why
            )
        )


def _model(row: sa.Row[Any]) -> ModelRecord:
    return ModelRecord(**{**row._mapping, "state": ModelState(row.state)})
