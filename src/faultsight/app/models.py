"""Models: which there are, where they come from, and who decided what."""

from __future__ import annotations

from faultsight.app.folders import StateFolder
from faultsight.app.roles import Principal
from faultsight.stores.operations import ModelDecision, ModelRecord, Operations, Page

__all__ = ["Models"]


class Models:
    """The models of all feeds."""

    def __init__(self, ops: Operations, folder: StateFolder) -> None:
        self._ops = ops
        self._folder = folder

    def page(self, *, feed: str | None, after: str | None, limit: int) -> Page[ModelRecord]:
        """Return models, the latest first."""
        return self._ops.models.page(feed, after=after, limit=limit)

    def get(self, feed: str, version: int) -> ModelRecord:
        """Return one model."""
        return self._ops.models.get(_id(feed, version))

    def lineage(self, feed: str, version: int) -> list[ModelRecord]:
        """Return a model and those it comes from."""
        return self._ops.models.lineage(_id(feed, version))

    def decisions(self, feed: str, version: int) -> list[ModelDecision]:
        """Return who decided what of a model, when and why."""
        return self._ops.models.decisions(model_id=_id(feed, version))

    def promote(self, feed: str, version: int, who: Principal, *, why: str) -> ModelRecord:
        """Make a model the active one of its feed."""
        from faultsight.flow.learn import promote

        return promote(self._ops, self._folder.path, _id(feed, version), by=who.name, why=why)

    def reject(self, feed: str, version: int, who: Principal, *, why: str) -> ModelRecord:
        """Decide that a candidate does not become active."""
        from faultsight.flow.learn import reject

        return reject(self._ops, _id(feed, version), by=who.name, why=why)

    def revert(self, feed: str, who: Principal, *, why: str) -> ModelRecord:
        """Go back to the model before the active one."""
        from faultsight.flow.learn import revert

        return revert(self._ops, self._folder.path, feed, by=who.name, why=why)


def _id(feed: str, version: int) -> str:
    """Return the id under which a version of a feed's model is stored."""
    return f"{feed}/{version}"
