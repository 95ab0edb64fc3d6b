"""diagnose/table2: how polls are made comparable before they are clustered."""

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
from faultsight.bench.modem_similarities import DUMMIES, by_pearson, by_resampling

_METHODS: Methods = {
    "aligned": by_pearson,
    "aligned-shrunk": partial(by_pearson, shrunk_by=4.0),
    "aligned-not-inferred": partial(by_pearson, infers_missing=False),
    "resampled": by_resampling,
    **DUMMIES,
}


class DiagnoseTable2(Scenario):
    """TelApart's Table II on simulated cases: aligning polls against resampling them.

    Everything but the preprocessing is the same: average linkage on correlations over one day, and
    the protocol of ``diagnose/table1``. ``aligned`` infers missing points (Algorithm 1) and pairs
    mutually nearest ones (Algorithm 2); ``aligned-not-inferred`` only pairs;
    ``aligned-shrunk`` multiplies a correlation of n pairs by n / (n + 4). ``resampled``
    interpolates linearly to a grid of four hours.
    """

    id: ClassVar[str] = "diagnose/table2"
    title: ClassVar[str] = "Preprocessing of polls: aligned or resampled"
    shown: ClassVar[tuple[str, ...]] = (
        "regime", "feature", "method", "seeds", "similarity",
        *(column for score in SCORES for column in (score, f"{score}_sd")),
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Cluster after every preprocessing asked for, in every regime asked for."""
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
