"""Suppressions: rules that mute, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from faultsight.app.roles import Principal
from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations, Page, Suppression

__all__ = ["Suppressions"]


class Suppressions:
    """Rules of all feeds."""

    def __init__(self, ops: Operations) -> None:
        self._ops = ops

    def page(
        self, *, feed: str | None, at_s: int | None, after: str | None, limit: int
    ) -> Page[Suppression]:
        """Return rules, the latest first; those that mute at a moment all on one page."""
        if at_s is not None:
            rules = self._ops.suppressions.active(TimeWindow(at_s, at_s + 1), feed=feed)
            return Page(tuple(reversed(rules)), None)
        return self._ops.suppressions.page(feed=feed, after=after, limit=limit)

    def add(
        self,
        who: Principal,
        *,
        feed: str | None,
        scope: Mapping[str, str],
        entity: str | None,
        start_s: int,
        end_s: int | None,
        reason: str,
    ) -> Suppression:
        """Add a rule.

        Raises
        ------
        InputError
            If it names neither a feed nor a scope nor an entity: that would mute everything.
        """
        if feed is None and not scope and entity is None:
            raise InputError("a rule names a feed, an entity or values of attributes")
        return self._ops.suppressions.add(
            feed, scope=dict(scope), entity=entity, start_s=start_s, end_s=end_s, reason=reason,
            by=who.name,
        )  # fmt: skip

    def revoke(self, rule_id: int, who: Principal, *, why: str) -> Suppression:
        """End a rule."""
        return self._ops.suppressions.revoke(rule_id, by=who.name, why=why)
