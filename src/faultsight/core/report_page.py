"""The frame of every report: one HTML page that asks nobody, runs nothing, and is light or dark."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from faultsight.core.svg import escaped

__all__ = ["report_page"]


def report_page(heading: str, content: str, *, lead: str = "", styles: Sequence[str] = ()) -> str:
    """Return a whole page as HTML.

    Parameters
    ----------
    heading : str
        The page's title, as text: it is escaped here.
    content : str
        The sections, as markup.
    lead : str
        What stands under the heading, as markup.
    styles : sequence of str
        Packages whose ``style.css`` follows the sheet that all reports share, and wins over it.

    Examples
    --------
    >>> page = report_page("Cells & sites", "<section>quiet</section>")
    >>> "<title>Cells &amp; sites</title>" in page, "<main><section>quiet</section></main>" in page
    (True, True)
    """
    style = _sheet("faultsight.core", "report_page.css") + "".join(map(_sheet, styles))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # Should a name ever slip through, the browser still runs nothing and asks nobody.
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = escaped(heading)
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        "<meta name=color-scheme content='light dark'>"
        f"<title>{title}</title><style>{style}</style></head>\n"
        f"<body><header><p class=brand>FaultSight</p><h1>{title}</h1>{lead}</header>\n"
        f"<main>{content}</main>\n</body></html>\n"
    )


def _sheet(package: str, name: str = "style.css") -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
