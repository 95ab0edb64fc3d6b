"""Models: which there are, where they come from, and who decided what."""

from __future__ import annotations

from faultsight.app.roles import Principal
from faultsight.stores.operations import ModelDecision, ModelRecord, Operations, Page

__all__ = ["Models"]


class Models:
    """The models of all feeds."""

    def __init__(self, ops: Operations) -> None:
        self._ops = ops

    def page(self, *, feed: str | None, after: str | None, limit: int) -> Page[ModelRecord]:
        """Return models, the latest first."""
        return self._ops.models.page(feed, after=after, limit=limit)

    def get(self, model_id: str) -> ModelRecord:
        """Return one model."""
        return self._ops.models.get(model_id)

    def lineage(self, model_id: str) -> list[ModelRecord]:
        """Return a model and those it comes from."""
        return self._ops.models.lineage(model_id)

    def decisions(self, model_id: str) -> list[ModelDecision]:
        """Return who decided what of a model, when and why."""
        return self._ops.models.decisions(model_id=model_id)

    def promote(self, model_id: str, who: Principal, *, why: str) -> ModelRecord:
        """Make a model the active one of its feed."""
        return self._ops.models.promote(model_id, by=who.name, why=why)

    def reject(self, model_id: str, who: Principal, *, why: str) -> ModelRecord:
        """Decide that a candidate does not become active."""
        return self._ops.models.reject(model_id, by=who.name, why=why)

    def revert(self, feed: str, who: Principal, *, why: str) -> ModelRecord:
        """Go back to the model before the active one."""
        self._ops.feeds.get(feed)
        return self._ops.models.revert(feed, by=who.name, why=why)
