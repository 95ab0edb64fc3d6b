"""One report of all detectors: who leads, what point adjustment hides, what marks are worth.

Every number comes from results that ``faultsight bench run`` has written, and every sentence that
names a method was computed from them.
"""

from __future__ import annotations

from faultsight.bench.detection_report.page import (
    render_html,
    render_markdown,
    write_detection_report,
)
from faultsight.bench.detection_report.published import Published, read_published

__all__ = [
    "Published", "read_published", "render_html", "render_markdown", "write_detection_report",
]  # fmt: skip
