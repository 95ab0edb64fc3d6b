"""diagnose/lookback: how much of the past should be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import ClassVar

from faultsight.bench.asked_for import asked_for
from faultsight.bench.clustering_protocol import SCORES, compare_clusterings
from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.labelled_modems import REGIMES
from faultsight.bench.modem_partitions import Partitions
from faultsight.bench.modem_similarities import (
    by_chance,
    by_deviations,
    by_pearson,
    by_resampling,
)
from faultsight.diagnose.telapart.paper_evidence import METRIC_OF

_DAYS = tuple(range(1, 8))
_RANDOM = "random"
_METHODS: dict[str, Callable[..., Partitions]] = {
    **{name: partial(by_pearson, clustering=name) for name in (
        "average", "single", "complete", "dbscan",
    )},
    "resampled": by_resampling,
    "telapart": by_deviations,
    _RANDOM: by_chance,
}  # fmt: skip
_RECENT, _LASTING = "one to three days old", "as old as the look-back"


class DiagnoseLookback(Scenario):
    """Whether comparing more of the past helps: a look-back of one to seven days.

    The set is ``paper`` of ``diagnose/table1``, and so is the protocol. ``average``, ``single``,
    ``complete`` and ``dbscan`` cluster by the paper's correlation, ``resampled`` is ``average`` on
    the four-hour grid of ``diagnose/table2``, ``telapart`` the default similarity, cosine of
    deviations from usual levels. ``random`` has the clusters of ``average`` with the modems
    exchanged, over the shortest look-back of each set of cases. ``days`` is how much of the past is
    compared.

    ``faults`` tells what is compared. ``one to three days old``: the same cases for every
    look-back; faults act on the last day and began up to two days before it, so that a longer
    look-back also sees the time before them. This is daily diagnosis.
    ``as old as the look-back``: faults began before the look-back, and come and go all through it;
    two days at least, for with one day it is the same.
    """

    id: ClassVar[str] = "diagnose/lookback"
    title: ClassVar[str] = "Look-back of one to seven days"
    shown: ClassVar[tuple[str, ...]] = (
        "faults", "feature", "method", "days", "seeds", "similarity",
        *(column for score in SCORES for column in (score, f"{score}_sd")),
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Cluster over every look-back, by every feature (``datasets``) asked for."""
        methods = asked_for("method", context.methods, _METHODS)
        rows: list[Row] = []
        for feature in asked_for("dataset", context.datasets, METRIC_OF):
            # The cases are the same for all look-backs, so they are made once.
            rows += _compared(context, feature, methods, _RECENT, _DAYS)
            for days in _DAYS[1:]:  # one day would be the same cases once more
                rows += _compared(context, feature, methods, _LASTING, (days,))
        return Outcome(
            rows,
            [f"no further seed is begun after {context.seconds:g} s of a method and look-back"],
        )


def _compared(
    context: Context,
    feature: str,
    methods: Mapping[str, Callable[..., Partitions]],
    faults: str,
    all_days: Iterable[int],
) -> Iterator[Row]:
    """Yield a row for each look-back and method, on one set of cases."""
    by_name = {
        f"{name} over {days} d": (name, days, partial(make, days=days))
        for days in all_days
        for name, make in methods.items()
        if name != _RANDOM or days == min(all_days)
    }
    fault_days = 1 if faults == _RECENT else max(all_days)
    rows = compare_clusterings(
        context, REGIMES["paper"], feature, {name: told[2] for name, told in by_name.items()},
        fault_days=fault_days,
    )  # fmt: skip
    for row, (name, days, _) in zip(rows, by_name.values(), strict=True):
        texts: Row = {"faults": faults, "feature": feature, "method": name}
        yield (
            texts
            | {"look_back": f"{days} d", "days": days}
            | {key: value for key, value in row.items() if key not in texts}
        )
