"""The dendrogram of a node's candidates, with the cut that makes groups of it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from faultsight.core.svg import drawing, element
from faultsight.diagnose.clustering.linkage import cut
from faultsight.diagnose.report.candidates import Candidates
from faultsight.diagnose.report.svg import boxes
from faultsight.diagnose.report.wording import FEATURES, day, plural
from faultsight.diagnose.telapart.ticket_guided import height_of

__all__ = ["dendrogram"]

_WIDTH, _LEFT, _TOP, _HEIGHT, _LEAF = 1000, 44, 12, 170, 9


def dendrogram(told: Candidates, members: Collection[str]) -> tuple[str, str]:
    """Return the tree and its caption; the fault's members are coloured."""
    tree, n = told.dendrogram, len(told.device_ids)
    leaves = tree.leaves().tolist()
    step = min((_WIDTH - _LEFT - 20) / n, 40.0)
    width = _LEFT + step * n + 20
    top_height = max(float(tree.height.max()), 1.0 - told.similarity + 0.1)

    def y(height: float) -> float:
        return _TOP + _HEIGHT * (1 - max(height, 0.0) / top_height)

    groups = cut(tree, height_of(told.similarity))
    is_member = np.array([device in members for device in told.device_ids])
    own_group = int(np.bincount(groups, is_member).argmax())  # the group that is this fault
    x_of, low = [0.0] * (2 * n - 1), [0.0] * (2 * n - 1)
    group_of = [*groups.tolist(), *[-1] * (n - 1)]
    for place, leaf in enumerate(leaves):
        x_of[leaf] = _LEFT + step * (place + 0.5)
    own_lines: list[str] = []
    other_lines: list[str] = []
    for merge, ((a, b), height) in enumerate(
        zip(tree.merged.tolist(), tree.height.tolist(), strict=True)
    ):
        node = n + merge
        x_of[node], low[node] = (x_of[a] + x_of[b]) / 2, height
        if height <= height_of(told.similarity):
            group_of[node] = group_of[a]
        (own_lines if group_of[node] == own_group else other_lines).append(
            f"M{x_of[a]:.1f} {y(low[a]):.1f}V{y(height):.1f}H{x_of[b]:.1f}V{y(low[b]):.1f}"
        )
    grid = []
    for similarity in (1.0, 0.75, 0.5, 0.25, 0.0, -0.5):
        if 1.0 - similarity <= top_height:
            at = y(1.0 - similarity)
            grid.append(element("line", x1=_LEFT, x2=width - 14, y1=at, y2=at, class_="grid"))
            grid.append(element("text", f"{similarity:g}", x=_LEFT - 6, y=at + 4, class_="tick",
                                text_anchor="end"))  # fmt: skip
    cut_y = y(1.0 - told.similarity)
    size = max(min(step - 0.6, 10.0), 1.2)
    base = _TOP + _HEIGHT + 3
    spots = {leaf: (x_of[leaf] - size / 2, base, size, float(_LEAF)) for leaf in leaves}
    own = [spots[leaf] for leaf in leaves if is_member[leaf]]
    mild = [spots[leaf] for leaf in leaves if not is_member[leaf] and not told.is_anomalous[leaf]]
    ill = [spots[leaf] for leaf in leaves if not is_member[leaf] and told.is_anomalous[leaf]]
    parts = [
        *grid,
        element("path", d="".join(other_lines), class_="tree") if other_lines else "",
        element("path", d="".join(own_lines), class_="tree own") if own_lines else "",
        element("line", x1=_LEFT, x2=width - 14, y1=cut_y, y2=cut_y, class_="cut"),
        element("text", f"cut at {told.similarity:.2f}", x=width - 16, y=cut_y - 5,
                class_="cut-name", text_anchor="end"),
        boxes(mild, "leaf mild"), boxes(ill, "leaf ill"), boxes(own, "leaf own"),
    ]  # fmt: skip
    name = FEATURES.get(told.feature, told.feature)
    n_groups = int(groups.max()) + 1
    caption = (
        f"<b>How alike modems move</b> on {name} up to {day(told.window.end_s)}: "
        f"{plural(n, 'modem')} that deviate, in {plural(n_groups, 'group')} below the cut. "
        "Squares: this fault's members, other anomalous modems, and milder ones."
    )
    title = f"Dendrogram of {name}"
    return drawing(title, "".join(parts), width, base + _LEAF + 4), caption
