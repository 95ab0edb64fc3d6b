"""One self-contained HTML page about localized cases: what, where, how much, and why.

The page makes no request, runs no script, and holds inline SVG only. The same cases give the
same bytes.
"""

from __future__ import annotations

from faultsight.localize.report.page import ReportCase, render_report, write_report

__all__ = ["ReportCase", "render_report", "write_report"]
