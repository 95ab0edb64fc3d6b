"""The report as one page of HTML that asks nobody, and as one page of Markdown with drawings."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from faultsight.bench.detection_report import adjustment, cost, feedback, runs, standings
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

__all__ = ["render_html", "render_markdown", "write_detection_report"]

_NAME = "detection-comparison"
_TITLE = "Detectors compared"
_SECTIONS = (standings, adjustment, cost, feedback, runs)


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
    style = _style("faultsight.detect.report") + _style("faultsight.bench.detection_report")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    told = "".join(f"<p class=headline>{as_inline(text)}</p>" for text in _headline(published))
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        "<meta name=color-scheme content='light dark'>"
        f"<title>{_TITLE}</title><style>{style}</style></head>\n"
        f"<body><header><p class=brand>FaultSight</p><h1>{_TITLE}</h1>{told}</header>\n"
        f"<main>{as_html(_blocks(published))}</main>\n</body></html>\n"
    )


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


def _style(package: str, name: str = "style.css") -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _alone(svg: str) -> str:
    """Return a drawing as a file of its own, dark on white: pages know no styles of ours."""
    style = _style("faultsight.bench.detection_report", "drawing.css")
    return (
        svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
            "</title>", f"</title><style>{style}</style>"
            '<rect width="100%" height="100%" fill="#fff"/>', 1)
        + "\n"
    )  # fmt: skip
