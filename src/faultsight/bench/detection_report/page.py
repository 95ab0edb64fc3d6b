"""The report as one page of HTML that asks nobody, and as one page of Markdown with drawings."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from faultsight.bench.detection_report import (
    adjustment,
    cost,
    feedback,
    other_levels,
    runs,
    standings,
)
from faultsight.bench.detection_report.blocks import (
    Block,
    Picture,
    Text,
    as_html,
    as_inline,
    as_markdown,
)
from faultsight.bench.detection_report.published import Published, read_published
from faultsight.core.files import write_atomic
from faultsight.core.report_page import report_page

__all__ = ["render_html", "render_markdown", "write_detection_report"]

_NAME = "detection-comparison"
_TITLE = "Detectors compared"
_SECTIONS = (standings, adjustment, other_levels, cost, feedback, runs)


def write_detection_report(
    reports: Path | str, out: Path | str, *, docs: Path | str | None = None
) -> list[Path]:
    """Write ``detection-comparison.html``, and the same in Markdown with its drawings beside it.

    Parameters
    ----------
    reports : path
        The folder of results: ``detect-leaderboard.json``, ``detect-table1.json``,
        ``detect-base.json`` and ``detect-feedback*.json``, whichever are there.
    out : path
        Where the page goes.
    docs : path, optional
        Where Markdown and drawings go, if not there, too.

    Returns
    -------
    list of Path
        What was written. The same results give the same bytes.

    Raises
    ------
    MissingDataError
        If none of the results is there.
    InputError
        If one is not the result of a benchmark; names the file.
    """
    published = read_published(reports)
    out = Path(out)
    docs = out if docs is None else Path(docs)
    written = [write_atomic(out / f"{_NAME}.html", render_html(published))]
    written.append(write_atomic(docs / f"{_NAME}.md", render_markdown(published)))
    drawings = {b.name: _alone(b.svg) for b in _blocks(published) if isinstance(b, Picture)}
    return written + [write_atomic(docs / f"{n}.svg", drawn) for n, drawn in drawings.items()]


def render_html(published: Published) -> str:
    """Return the page; it runs nothing, asks nobody, and is light or dark as its reader is."""
    told = "".join(f"<p class=headline>{as_inline(text)}</p>" for text in _headline(published))
    # The drawings share classes with those of the detection report.
    styles = ["faultsight.detect.report", "faultsight.bench.detection_report"]
    return report_page(_TITLE, as_html(_blocks(published)), lead=told, styles=styles)


def render_markdown(published: Published) -> str:
    """Return the page of the documentation."""
    about = (
        "Every number and name on this page was computed from the files in `benchmarks/reports/` "
        "by `faultsight bench report detect`; none was written by hand. How detectors are "
        "compared: {doc}`detection-benchmarks`; what they are: {doc}`detection-peers`."
    )
    blocks: list[Block] = [Text(about), *map(Text, _headline(published)), *_blocks(published)]
    return f"# {_TITLE}\n\n{as_markdown(blocks)}"


def _blocks(published: Published) -> list[Block]:
    return [block for part in _SECTIONS for block in part.section(published)]


def _headline(published: Published) -> list[str]:
    parts = (standings.headline(published), feedback.headline(published))
    return [" ".join(told) for told in parts if told]


def _alone(svg: str) -> str:
    """Return a drawing as a file of its own, dark on white: pages know no styles of ours."""
    drawing = files("faultsight.bench.detection_report").joinpath("drawing.css")
    style = drawing.read_text(encoding="utf-8")
    return (
        svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
            "</title>", f"</title><style>{style}</style>"
            '<rect width="100%" height="100%" fill="#fff"/>', 1)
        + "\n"
    )  # fmt: skip
