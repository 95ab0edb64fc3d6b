"""The audit trail, to read."""

from __future__ import annotations

from faultsight.stores.operations import AuditEntry, Operations, Page

__all__ = ["Audit"]


class Audit:
    """What was done by whom, when and why."""

    def __init__(self, ops: Operations) -> None:
        self._ops = ops

    def page(self, *, subject: str | None, after: str | None, limit: int) -> Page[AuditEntry]:
        """Return entries, the latest first."""
        return self._ops.audit.page(subject=subject, after=after, limit=limit)
