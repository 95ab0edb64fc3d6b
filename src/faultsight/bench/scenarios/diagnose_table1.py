"""diagnose/table1: which clustering finds the groups of modems that one fault has struck."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from faultsight.bench.asked_for import asked_for
from faultsight.bench.clustering_protocol import (
    SCORES,
    Methods,
    compare_clusterings,
    firsts,
)
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.labelled_modems import FEATURES, REGIMES
from faultsight.bench.modem_similarities import DUMMIES, by_deviations, by_pearson

_METHODS: Methods = {
    **{name: partial(by_pearson, clustering=name) for name in (
        "average", "single", "complete", "dbscan",
    )},
    "average-shrunk": partial(by_pearson, shrunk_by=4.0),
    "telapart": by_deviations,
    "telapart-candidates": partial(by_deviations, only_deviating=True),
    **DUMMIES,
}  # fmt: skip


class DiagnoseTable1(Scenario):
    """TelApart's Table I on simulated cases: Rand indices of clusterings, raw and adjusted.

    A case is a fiber node with one maintenance fault and seven service faults in the look-back
    day. All its modems are clustered. ``_anomalous`` scores look at the faulty modems alone, as the
    paper does; ``_all`` at every modem, the healthy ones being one class. A score is the mean over
    24 test cases, then over seeds; ``_sd`` is the standard deviation over seeds.

    The similarity threshold of every method is the one of one grid (-0.4 to 0.98 in steps of 0.02)
    with the highest mean ARI on the faulty modems of 24 training cases, which are other fiber nodes
    of the same plant; ``similarity`` is its mean.

    ``average``, ``single``, ``complete`` and ``dbscan`` cluster by the paper's similarity over one
    day; ``average-shrunk`` multiplies it by n / (n + 4) for n common values. ``telapart`` is
    average linkage on the default similarity, the cosine of deviations from usual levels, over
    three days; ``telapart-candidates`` clusters only the modems that deviate so far that the
    default looks at them, and counts all others as one cluster. ``random`` has the clusters of
    ``average`` with the modems exchanged.

    A regime is ``paper`` (rounds of half an hour, 5 % of polls lost, faults on for six hours on
    average), the same with ``every-type`` of fault, or the same with longer rounds, more loss, or
    shorter faults, as it is called. All but ``every-type`` have segment distortion for SNR and
    attenuation for transmit power, and a ranging without dead band.
    """

    id: ClassVar[str] = "diagnose/table1"
    title: ClassVar[str] = "Clustering of modems: linkages, DBSCAN, TelApart's default"
    shown: ClassVar[tuple[str, ...]] = (
        "regime", "feature", "method", "seeds", "similarity",
        *(column for score in SCORES for column in (score, f"{score}_sd")),
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Cluster with every method asked for, in every regime asked for."""
        methods = asked_for("method", context.methods, _METHODS)
        rows: list[Row] = []
        for regime in asked_for("dataset", context.datasets, REGIMES).values():
            for feature in FEATURES:
                rows += compare_clusterings(context, regime, feature, methods)
        return Outcome(
            rows,
            [f"no further seed is begun after {context.seconds:g} s of a method in a regime"],
            firsts(rows, ("regime", "feature"), dummies=list(DUMMIES)),
        )
