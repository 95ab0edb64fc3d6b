"""Fiber nodes: which there are, how alike their modems move, and where they hang."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from faultsight.console.access import App, Viewer
from faultsight.console.api.feedback import Window
from faultsight.console.paging import After, Limit, Page, limited
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, FeedName, Told
from faultsight.core.kpi_frame import TimeWindow

routes = APIRouter(prefix=PREFIX, tags=["nodes"])

Node = Annotated[str, Query(min_length=1, max_length=512, description="Name of the fiber node.")]


class Merge(Told):
    """Two branches that join."""

    left: int = Field(description="A leaf, or the number of leaves plus that of a merge before.")
    right: int
    similarity: float


class DendrogramTree(Told):
    """How alike the modems of a node move on one feature in one window."""

    fnode: str
    feature: str
    window: Window
    device_ids: list[str]
    is_anomalous: list[bool]
    merges: list[Merge]
    order: list[int] = Field(description="Leaves from left to right.")
    cut_similarity: float
    groups: list[int] = Field(description="The group of each modem under the cut.")


class ModemOnMap(Told):
    """Where one modem hangs."""

    device_id: str
    amplifier: str
    tap: str
    latitude: float | None
    longitude: float | None
    verdict: str = Field(
        description="healthy, insufficient, service or maintenance; empty if not diagnosed."
    )


class Amplifier(Told):
    """One amplifier and the one before it; empty for the node itself."""

    name: str
    parent: str


class NodeMap(Told):
    """The tree of a fiber node and where its modems hang."""

    fnode: str
    amplifiers: list[Amplifier]
    modems: list[ModemOnMap]


@routes.get("/feeds/{feed}/nodes", responses=responses(404))
def list_nodes(
    feed: FeedName, _: Viewer, app: App, after: After = None, limit: Limit = 100
) -> Page[str]:
    """Return the fiber nodes of a feed, by name."""
    page = app.nodes.page(feed, after=after, limit=limited(limit, app.limits.page_rows))
    return Page(items=list(page.items), next=page.next)


@routes.get("/feeds/{feed}/dendrogram", responses=responses(404))
def get_dendrogram(
    feed: FeedName,
    fnode: Node,
    _: Viewer,
    app: App,
    from_s: Annotated[int, Query(ge=0, le=253_402_300_799)],
    to_s: Annotated[int, Query(ge=0, le=253_402_300_799)],
    feature: Annotated[
        Literal["snr", "tx_power", "rx_power", "missing"], Query(description="On which feature.")
    ] = "snr",
) -> DendrogramTree:
    """Return the dendrogram of a fiber node's modems.

    404 where fewer than two modems could be compared.
    """
    tree = app.nodes.dendrogram(feed, fnode, TimeWindow(from_s, to_s), feature)
    return DendrogramTree.model_validate(tree)


@routes.get("/feeds/{feed}/map", responses=responses(404))
def get_node_map(
    feed: FeedName,
    fnode: Node,
    _: Viewer,
    app: App,
    incident: Annotated[
        str | None,
        Query(pattern=r"^[0-9a-f]{16}$", description="Whose verdicts are to be shown."),
    ] = None,
) -> NodeMap:
    """Return where the modems of a fiber node hang."""
    return NodeMap.model_validate(app.nodes.map(feed, fnode, incident_id=incident))
