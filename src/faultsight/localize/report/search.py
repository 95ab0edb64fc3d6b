"""The search: the lattice of cuboids with the roots in it, and what was done step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from faultsight.core.printable import printable
from faultsight.core.svg import element, escaped, shorten, text_width, tooltip
from faultsight.localize.contract import LayerTrace, RootPattern

__all__ = ["lattice", "steps"]

_MAX_ATTRIBUTES = 5
_MAX_CHIPS = 20
_WIDTH, _ROW, _NODE = 1000, 64, 26


def lattice(attributes: Sequence[str], roots: Sequence[RootPattern]) -> str:
    """Return the cuboids layer by layer as SVG, those that hold roots marked.

    Empty for cubes with more attributes than can be drawn.
    """
    n = len(attributes)
    if not 2 <= n <= _MAX_ATTRIBUTES:
        return ""
    layers = [list(combinations(range(n), size)) for size in range(1, n + 1)]
    held: dict[tuple[int, ...], list[int]] = {}
    for rank, root in enumerate(roots, start=1):
        where = tuple(sorted(attributes.index(a) for a in root.combination))
        held.setdefault(where, []).append(rank)
    place: dict[tuple[int, ...], tuple[float, float]] = {}
    for depth, layer in enumerate(layers):
        gap = (_WIDTH - 70) / len(layer)
        for position, cuboid in enumerate(layer):
            place[cuboid] = (70 + gap * (position + 0.5), 20 + _ROW * depth)
    lines, nodes = [], []
    for depth, layer in enumerate(layers):
        width = min((_WIDTH - 70) / len(layer) - 8, 250)
        nodes.append(element("text", f"layer {depth + 1}", x=4, y=24 + _ROW * depth,
                             class_="tick"))  # fmt: skip
        for cuboid in layer:
            x, y = place[cuboid]
            for parent in combinations(cuboid, depth) if depth else ():
                px, py = place[parent]
                lines.append(element("line", x1=px, y1=py + _NODE / 2, x2=x, y2=y - _NODE / 2,
                                     class_="edge"))  # fmt: skip
            ranks = held.get(cuboid, [])
            names = " \N{MULTIPLICATION SIGN} ".join(printable(attributes[a]) for a in cuboid)
            mark = f"  ● {', '.join(map(str, ranks))}" if ranks else ""
            shown = shorten(names, width - 10 - text_width(mark)) + mark
            told = tooltip(f"{names}" + (f": root {', '.join(map(str, ranks))}" if ranks else ""))
            nodes.append(
                element(
                    "g",
                    told
                    + element("rect", x=x - width / 2, y=y - _NODE / 2, width=width, height=_NODE,
                              rx=6, class_="cuboid held" if ranks else "cuboid")
                    + element("text", escaped(shown), x=x, y=y + 4,
                              class_="cuboid-name held" if ranks else "cuboid-name"),
                )
            )  # fmt: skip
    height = 20 + _ROW * (n - 1) + _NODE
    return element(
        "svg",
        tooltip("The cube's cuboids by layer") + "".join(lines) + "".join(nodes),
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        height=height,
        role="img",
    )


def steps(trace: Sequence[LayerTrace]) -> str:
    """Return what the search did, layer by layer or step by step, as an HTML list."""
    most = max((math.log1p(t.combinations) for t in trace), default=0.0) or 1.0
    items = []
    for step in trace:
        length = 220 * math.log1p(step.combinations) / most
        bar = element(
            "svg",
            tooltip("combinations scored, on a logarithmic scale")
            + element("rect", x=0, y=1, width=max(length, 1), height=8, rx=4, class_="meter"),
            viewBox="0 0 220 10",
            width=220,
            height=10,
            role="img",
        )
        counted = (
            f"{step.cuboids:,} cuboid{'' if step.cuboids == 1 else 's'} visited, "
            f"{step.combinations:,} combination{'' if step.combinations == 1 else 's'} scored"
        )
        body = f"<h4>{escaped(step.title)}</h4><p class=count>{counted} {bar}</p>"
        body += _chips("kept", step.accepted, "chip kept") + _chips("dropped", step.dropped, "chip")
        if step.note:
            body += f"<p class=note>{escaped(step.note)}</p>"
        kind = "hit" if step.accepted else "miss"
        items.append(f"<li class={kind}>{body}</li>")
    return f"<ol class=search>{''.join(items)}</ol>" if items else ""


def _chips(lead: str, names: Sequence[str], kind: str) -> str:
    if not names:
        return ""
    chips = " ".join(f"<span class='{kind}'>{escaped(name)}</span>" for name in names[:_MAX_CHIPS])
    more = len(names) - _MAX_CHIPS
    tail = f" and {more:,} more" if more > 0 else ""
    return f"<p class=chips><span class=lead>{lead}</span> {chips}{tail}</p>"
