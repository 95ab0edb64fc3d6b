"""The audit: everything that was decided or arranged, by whom, when and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from faultsight.console.access import Admin, App
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, Told

routes = APIRouter(prefix=f"{PREFIX}/audit", tags=["audit"])


class AuditEntry(Told):
    """One act."""

    id: int
    at_s: int
    by: str
    action: str
    subject: str
    why: str
    detail: dict[str, Any]


@routes.get("", responses=responses())
def list_audit(
    _: Admin,
    app: App,
    subject: Annotated[str | None, Query(max_length=512, description="Of this subject.")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[AuditEntry]:
    """Return what was done, the latest first."""
    page = app.audit.page(subject=subject, after=after, limit=limited(limit, app.limits.page_rows))
    return Page(items=[AuditEntry.model_validate(entry) for entry in page.items], next=page.next)
