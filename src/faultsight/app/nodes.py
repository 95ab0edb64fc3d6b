"""Fiber nodes: their modems' likeness as a dendrogram, and where they hang as a map."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faultsight.app.feed_stores import FeedStores
from faultsight.app.feeds import config_of
from faultsight.app.folders import StateFolder
from faultsight.core.errors import InputError, NotFoundError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.plant import Plant
from faultsight.core.tables import read_table
from faultsight.stores.operations import Operations, Page

if TYPE_CHECKING:
    from faultsight.diagnose.telapart import TelApart

__all__ = ["Merge", "ModemOnMap", "NodeMap", "Nodes", "Tree"]

_LONGEST_S = 31 * 86_400


@dataclass(frozen=True)
class Merge:
    """Two branches that join: a leaf, or the number of leaves plus that of an earlier merge."""

    left: int
    right: int
    similarity: float


@dataclass(frozen=True)
class Tree:
    """How alike the modems of a node move on one feature in one window.

    Attributes
    ----------
    fnode, feature, window
        Of what.
    device_ids, is_anomalous, groups : list
        By leaf: whose, whether anomalous by itself, and its group under the cut.
    merges : list of Merge
        The most alike first.
    order : list of int
        Leaves from left to right.
    cut_similarity : float
        Below it, groups are apart.
    """

    fnode: str
    feature: str
    window: TimeWindow
    device_ids: list[str]
    is_anomalous: list[bool]
    merges: list[Merge]
    order: list[int]
    cut_similarity: float
    groups: list[int]


@dataclass(frozen=True)
class ModemOnMap:
    """Where one modem hangs, and what was last said of it."""

    device_id: str
    amplifier: str
    tap: str
    latitude: float | None
    longitude: float | None
    verdict: str


@dataclass(frozen=True)
class Amplifier:
    """One amplifier and the one before it."""

    name: str
    parent: str


@dataclass(frozen=True)
class NodeMap:
    """The tree of a fiber node."""

    fnode: str
    amplifiers: list[Amplifier]
    modems: list[ModemOnMap]


class Nodes:
    """The fiber nodes of ``polls`` feeds."""

    def __init__(self, ops: Operations, stores: FeedStores, folder: StateFolder) -> None:
        self._ops = ops
        self._stores = stores
        self._folder = folder

    def page(self, feed: str, *, after: str | None, limit: int) -> Page[str]:
        """Return fiber nodes, by name."""
        self._ops.feeds.get(feed)
        last = None if after is None else _decoded(after)
        names = [n for n in self._stores.polls(feed).fnodes if last is None or n > last]
        shown = names[:limit]
        more = len(names) > limit
        return Page(tuple(shown), _encoded(shown[-1]) if more else None)

    def dendrogram(self, feed: str, fnode: str, window: TimeWindow, feature: str) -> Tree:
        """Return the dendrogram of a node's modems that deviate.

        Raises
        ------
        NotFoundError
            If there is no such node, no model, or fewer than two modems to compare.
        """
        from faultsight.diagnose.clustering.linkage import cut
        from faultsight.diagnose.report.candidates import candidates_of, history_s
        from faultsight.diagnose.telapart.ticket_guided import height_of

        if window.end_s - window.start_s > _LONGEST_S:
            raise InputError("a dendrogram spans at most 31 days")
        model = self._model(feed)
        reach = TimeWindow(max(window.start_s - history_s(model), 0), window.end_s)
        polls = list(self._stores.polls(feed).nodes(reach, fnodes=[fnode]))
        if not polls:
            raise NotFoundError("fiber node with polls in that window", fnode)
        told = candidates_of(model, polls[0], window, feature)
        if told is None:
            raise NotFoundError("dendrogram of fiber node", fnode)
        tree = told.dendrogram
        return Tree(
            fnode=fnode,
            feature=feature,
            window=told.window,
            device_ids=list(told.device_ids),
            is_anomalous=told.is_anomalous.tolist(),
            merges=[
                Merge(left, right, 1.0 - height)
                for (left, right), height in zip(
                    tree.merged.tolist(), tree.height.tolist(), strict=True
                )
            ],
            order=tree.leaves().tolist(),
            cut_similarity=told.similarity,
            groups=cut(tree, height_of(told.similarity)).tolist(),
        )

    def map(self, feed: str, fnode: str, *, incident_id: str | None = None) -> NodeMap:
        """Return where the modems of a node hang, as far as it is known.

        Raises
        ------
        NotFoundError
            If the feed has no such node.
        """
        self._ops.feeds.get(feed)
        plant = self._plant(feed)
        places = sorted(
            (place for place in plant.places.values() if place.fnode == fnode),
            key=lambda place: place.device_id,
        )
        if not places:
            raise NotFoundError("fiber node with a known topology", fnode)
        verdicts = {} if incident_id is None else self._verdicts(incident_id)
        return NodeMap(
            fnode,
            [
                Amplifier(name, parent)
                for (node, name), parent in sorted(plant.parents.items())
                if node == fnode
            ],
            [
                ModemOnMap(
                    place.device_id, place.amplifier, place.tap, place.latitude, place.longitude,
                    verdicts.get(place.device_id, ""),
                )
                for place in places
            ],
        )  # fmt: skip

    def _verdicts(self, incident_id: str) -> dict[str, str]:
        """Return what an incident's alarms say of their members."""
        found: dict[str, str] = {}
        for alarm_id in self._ops.incidents.get(incident_id).alarm_ids:
            payload = self._ops.alarms.get(alarm_id).payload
            for member in payload.get("members", ()):
                found[str(member)] = str(payload.get("verdict", ""))
        return found

    def _plant(self, feed: str) -> Plant:
        path = config_of(self._ops.feeds.get(feed)).topology_in(self._folder.path)
        if not path.is_file():
            return Plant()
        return Plant.from_table(read_table(path, as_text=True), source=path.name)

    def _model(self, feed: str) -> TelApart:
        from faultsight.flow.learn import load_diagnoser

        active = self._ops.models.active(feed)
        if active is None:
            raise NotFoundError("active model of feed", feed)
        return load_diagnoser(self._folder.path / active.path)


def _encoded(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise InputError(f"{cursor[:40]!r} is not the cursor of a page") from None
