"""One self-contained HTML page about an evaluation: how good, where wrong, and what tuning changed.

The page makes no request, runs no script, and holds inline SVG only. The same evaluation gives
the same bytes.
"""

from __future__ import annotations

from faultsight.detect.report.page import render_report, write_report

__all__ = ["render_report", "write_report"]
