"""One self-contained HTML page about diagnosed faults: whom to send where, and why.

The page makes no request, runs no script, and holds inline SVG only. The same input gives the same
bytes. Polls are drawn as they came: a gap is a gap, and what is missing is marked.
"""

from __future__ import annotations

from faultsight.diagnose.report.page import render_report, write_report

__all__ = ["render_report", "write_report"]
