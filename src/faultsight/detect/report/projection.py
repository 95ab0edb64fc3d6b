"""The encoder's view of windows in the plane, before and after tuning (paper, Figure 8)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.core.seed import random_stream
from faultsight.core.svg import drawing, element, escaped
from faultsight.detect.evaluation import Evaluation, Verdict
from faultsight.detect.report.axes import Axes, extent
from faultsight.detect.report.network_view import features, windows_of

__all__ = ["pca", "project", "section"]

_USUAL, _OTHERS, _ENTITIES = 350, 150, 100
_WIDTH, _HEIGHT = 490, 380
_LEAST_TSNE = 20

_KINDS = ("quiet", "wrong", "missed", "hit")
_NAMES = {
    "quiet": "normal, no alarm",
    "wrong": "normal, alarm",
    "missed": "anomalous, no alarm",
    "hit": "anomalous, alarm",
}

Array = NDArray[np.float64]


def section(found: Evaluation) -> str:
    """Return a map of sampled windows for the first version, and for the last."""
    title = "<section id=projection><h2>What the encoder sees</h2>"
    sample = _sample(found)
    if not sample:
        return f"{title}<p>No judged row has a known value.</p></section>\n"
    figures, method = [], ""
    seen: list[Array] = []
    for verdict in found.versions[:1] + found.versions[1:][-1:]:
        if verdict.model is None:
            continue
        table = features(verdict.model, windows_of(verdict.model, sample).windows)
        if seen and np.array_equal(seen[0], table):
            figures.append(
                f"<p class=quiet>{escaped(verdict.name)} has the encoder of "
                f"{escaped(found.versions[0].name)}: tuning left the network as it was.</p>"
            )
            continue
        seen.append(table)
        points, method = project(table)
        figures.append(
            f"<figure>{_map(points, _kinds(found, verdict, sample), verdict.name)}"
            f"<figcaption>{escaped(verdict.name)}</figcaption></figure>"
        )
    n_windows = sum(len(rows) for _, rows in sample)
    legend = "".join(f"<span>{_swatch(kind)}{_NAMES[kind]}</span>" for kind in reversed(_KINDS))
    return (
        f"{title}<p class=legend>{legend}</p><div class=pair>{''.join(figures)}</div>"
        f"<p class=quiet>{method} of the mean of the latent Gaussian of {n_windows:,} windows, one "
        "dot each, named by their last row. Rows that are anomalous or alarm are drawn more often "
        "than they occur. Axes have no unit, and those of two maps are not comparable.</p>"
        "</section>\n"
    )


def project(table: Array) -> tuple[Array, str]:
    """Return points in the plane, and the name of the method.

    t-SNE (van der Maaten and Hinton, JMLR 2008) where scikit-learn is installed and there are
    enough points that differ; else the two directions of largest variance.

    Parameters
    ----------
    table : array of shape (point, feature)

    Examples
    --------
    >>> points, method = project(np.eye(5))
    >>> points.shape, method
    ((5, 2), 'Principal components (too few windows for t-SNE)')
    """
    if len(table) < _LEAST_TSNE or not np.ptp(table, axis=0).any():
        return pca(table), "Principal components (too few windows for t-SNE)"
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError:
        return pca(table), "Principal components (t-SNE needs scikit-learn, which is not installed)"
    perplexity = min(30.0, (len(table) - 1) / 4)
    # A start from principal components keeps the map the same from run to run.
    start = pca(table)
    start = start / (start[:, 0].std() or 1.0) * 1e-4
    tsne = TSNE(2, perplexity=perplexity, init=start, random_state=0, max_iter=500)
    return np.asarray(tsne.fit_transform(table), dtype=np.float64), "t-SNE"


def pca(table: Array) -> Array:
    """Return the coordinates of points along the two directions of largest variance.

    Examples
    --------
    >>> points = pca(np.array([[0.0, 0.0], [3.0, 4.0]]))
    >>> round(float(np.ptp(points[:, 0])), 6), round(float(np.ptp(points[:, 1])), 6)
    (5.0, 0.0)
    """
    centred = table - table.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    # The sign of a direction is arbitrary; the largest loading is made positive.
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    points = left * sizes * np.where(signs == 0, 1.0, signs)
    return np.pad(points[:, :2], ((0, 0), (0, max(2 - points.shape[1], 0))))


def _sample(found: Evaluation) -> list[tuple[KpiFrame, NDArray[np.int64]]]:
    """Draw judged rows: most where nothing is wrong, some that are anomalous or alarm."""
    stream = random_stream(0, "projection")
    names = sorted(found.frames)
    entities = [names[i] for i in np.sort(stream.permutation(len(names))[:_ENTITIES])]
    usual: list[NDArray[np.int64]] = []
    others: list[NDArray[np.int64]] = []
    for place, entity in enumerate(entities):
        rows = found.judged(entity)
        odd = found.truth(entity)[rows].copy()
        known = np.zeros(len(odd), dtype=bool)
        for verdict in found.versions:
            odd |= verdict.is_alarm(entity)[rows]
            known |= np.isfinite(verdict.scores[entity].total[rows])
        for mask, pool in ((known & ~odd, usual), (known & odd, others)):
            at = np.flatnonzero(mask) + rows.start
            pool.append(np.stack([np.full(len(at), place), at], axis=1))
    drawn = []
    for pool, most in ((usual, _USUAL), (others, _OTHERS)):
        together = np.concatenate(pool)
        drawn.append(together[np.sort(stream.permutation(len(together))[:most])])
    chosen = np.concatenate(drawn)
    return [
        (found.frames[entities[place]], np.sort(chosen[chosen[:, 0] == place, 1]))
        for place in np.unique(chosen[:, 0])
    ]


def _kinds(
    found: Evaluation, verdict: Verdict, sample: list[tuple[KpiFrame, NDArray[np.int64]]]
) -> list[str]:
    kinds = []
    for frame, rows in sample:
        truth = found.truth(frame.entity)[rows].astype(int)
        alarm = verdict.is_alarm(frame.entity)[rows].astype(int)
        kinds += [_KINDS[t * 2 + a] for t, a in zip(truth.tolist(), alarm.tolist(), strict=True)]
    return kinds


def _map(points: Array, kinds: list[str], name: str) -> str:
    axes = Axes(8, 8, _WIDTH - 16, _HEIGHT - 16, extent(points[:, 0]), extent(points[:, 1]))
    drawn = [element("rect", x=1, y=1, width=_WIDTH - 2, height=_HEIGHT - 2, rx=4, class_="panel")]
    for kind in _KINDS:  # what matters most is drawn last, on top
        for (x, y), own in zip(points.tolist(), kinds, strict=True):
            if own == kind:
                drawn.append(_dot(axes.x(x), axes.y(y), kind))
    return drawing(f"Windows as {name} encodes them", "".join(drawn), _WIDTH, _HEIGHT)


def _dot(x: float, y: float, kind: str) -> str:
    """Return a dot; kinds differ in shape, too, not in colour alone."""
    if kind in ("missed", "wrong"):
        arm = 3.2
        path = (
            f"M{x - arm:.1f} {y - arm:.1f}l{2 * arm:.1f} {2 * arm:.1f}m0 {-2 * arm:.1f}"
            f"l{-2 * arm:.1f} {2 * arm:.1f}"
            if kind == "missed"
            else f"M{x - arm:.1f} {y + arm:.1f}h{2 * arm:.1f}l{-arm:.1f} {-2 * arm:.1f}z"
        )
        return element("path", d=path, class_=f"p-{kind}")
    return element("circle", cx=x, cy=y, r=3.2 if kind == "hit" else 2.4, class_=f"p-{kind}")


def _swatch(kind: str) -> str:
    return element("svg", _dot(7, 7, kind), width=14, height=14, class_="dot-key")
