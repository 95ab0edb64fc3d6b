"""The similarities of a labelled case's modems, under each way to make polls comparable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.clustering_protocol import Methods
from faultsight.bench.labelled_modems import ModemCase
from faultsight.bench.modem_partitions import Partitions, Same, Shuffled, clustered
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.seed import random_stream
from faultsight.diagnose.contract import DAY_S
from faultsight.diagnose.preprocessing.missing_points import Slots, infer_missing
from faultsight.diagnose.preprocessing.resampling import resampled
from faultsight.diagnose.telapart.config import TelApartConfig
from faultsight.diagnose.telapart.deviation_evidence import SCORE_EDGES, DeviationEvidence
from faultsight.diagnose.telapart.feature_window import slots_of
from faultsight.diagnose.telapart.similarities import similarities, slot_values

__all__ = ["DUMMIES", "by_chance", "by_deviations", "by_pearson", "by_resampling"]

_DEFAULT = TelApartConfig()


def by_pearson(
    case: ModemCase,
    clustering: str = "average",
    *,
    days: int = 1,
    shrunk_by: float = 0.0,
    infers_missing: bool = True,
) -> Partitions:
    """Return partitions by the paper's similarity: correlation after Algorithms 1 and 2.

    Parameters
    ----------
    case : ModemCase
        The node.
    clustering : str
        A linkage, or ``dbscan``.
    days : int
        Of the look-back.
    shrunk_by : float
        See `similarities`.
    infers_missing : bool
        Whether missing points are inferred (Algorithm 1) before polls are aligned.
    """
    window = case.look_back(days)
    if infers_missing:
        slots = case.node.slots(window, float(_DEFAULT.gone_after_s))
    else:
        slots = _polls_alone(case, window)
    values = slot_values(slots, case.node.polls.values[case.metric])
    return _correlated(case, slots, values, clustering, shrunk_by)


def by_resampling(case: ModemCase, clustering: str = "average", *, days: int = 1) -> Partitions:
    """Return partitions by correlation after linear resampling to one grid."""
    slots, values = resampled(
        case.node.polls, case.look_back(days), metrics=(case.metric,),
        interval_s=case.node.rhythm.interval_s,
    )  # fmt: skip
    return _correlated(case, slots, values[0], clustering, 0.0)


def by_deviations(case: ModemCase, *, days: int = 3, only_deviating: bool = False) -> Partitions:
    """Return partitions by TelApart's default similarity: cosine of deviations from usual levels.

    Parameters
    ----------
    case : ModemCase
        The node.
    days : int
        Over which similarity is taken.
    only_deviating : bool
        Cluster the modems alone that are so far from their usual level that the default looks at
        them; all others are one cluster.
    """
    config = replace(
        _DEFAULT, features=(case.feature,), similarity_look_back_s=days * DAY_S
    )  # fmt: skip
    # With a threshold of 0 every modem is a candidate whose usual level is known.
    mildest = config.milder_share * float(SCORE_EDGES[case.feature][0])
    threshold = mildest if only_deviating else 0.0
    evidence = DeviationEvidence(case.node, config, [case.window], {case.feature: threshold})
    (found,) = evidence.features(0, case.window)
    return clustered(
        found.similarity, "average", candidates=found.candidates, n_devices=case.n_devices,
        are_others_one=only_deviating,
    )  # fmt: skip


def by_chance(case: ModemCase, *, days: int = 1) -> Partitions:
    """Return the paper's partitions with the modems exchanged."""
    stream = random_stream(case.seed, "random partition", case.feature, case.name)
    return Shuffled(by_pearson(case, days=days), stream.permutation(case.n_devices))


def alone(case: ModemCase) -> Partitions:
    """Return partitions in which each modem is alone."""
    return Same(np.arange(case.n_devices))


def together(case: ModemCase) -> Partitions:
    """Return partitions in which all modems are one cluster."""
    return Same(np.zeros(case.n_devices, np.int64))


DUMMIES: Methods = {"random": by_chance, "singletons": alone, "one-cluster": together}
"""What looks at nothing."""


def _correlated(
    case: ModemCase,
    slots: Slots,
    values: NDArray[np.float64],
    clustering: str,
    shrunk_by: float,
) -> Partitions:
    candidates = np.flatnonzero(slots.n_slots > 0)
    own = slots_of(slots, candidates)  # modems without a slot have no row in `values` either
    alike = similarities(own, values[None], shrunk_by=shrunk_by)
    return clustered(
        alike.levels[0], clustering, candidates=candidates, n_devices=case.n_devices
    )  # fmt: skip


def _polls_alone(case: ModemCase, window: TimeWindow) -> Slots:
    """Return the slots of a window with no missing one among them."""
    return infer_missing(
        case.node.polls, window, threshold_s=np.inf, interval_s=case.node.rhythm.interval_s
    )
