"""RAPMiner: root anomaly patterns of a KPI cube, by the method of the paper.

Read on in the order of the method: `labels` (which leaves are anomalous), `power` (attributes that
tell nothing are deleted), `search` (layer by layer from the top), `score` (ranking).

The part of the paper at hand ends where its section IV.B begins. It gives the insights, the
definitions and the notation; the formulas of the stages are put together from those. **The
thresholds of the paper are unknown: each default here is ours**, one for all data.

References
----------
RAPMiner, DSN 2022, pages 320 to 322 (sections I, II, III, IV.A and Table II).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.cuboids import Cuboids
from faultsight.localize.leaves import Leaves
from faultsight.localize.rapminer.labels import anomalous_leaves
from faultsight.localize.rapminer.power import classification_power
from faultsight.localize.rapminer.score import rap_score
from faultsight.localize.rapminer.search import LayerSearched, Scored, search

__all__ = ["RAPMiner", "RAPMinerConfig"]

_NEAREST = 10


@dataclass(frozen=True)
class RAPMinerConfig:
    """Settings of RAPMiner; the paper's own values are unknown, these are ours.

    Attributes
    ----------
    leaf_deviation_threshold : float
        A leaf is anomalous if its relative deviation (f - v) / max(f, v) is beyond this in either
        direction. 0.2: above the forecast noise of most traffic, below most faults; the right
        value depends on the data, which is the method's main weakness.
    t_cp : float
        Attributes with a classification power below this are deleted. 0.01: deletes most
        attributes that no root fixes. What is best depends on the data: on the Squeeze cases F1 is
        .53, .72, .88 and .81 at 0, .01, .05 and .1, and with noise in the forecasts most attributes
        of true roots fall below it too.
    t_conf : float
        A combination is anomalous if more than this share of its leaves is. 0.8: most of the
        leaves, with room for a few that rounding hides.
    k : int or None
        How many patterns to report; None reports all.
    delete_redundant_attributes : bool
        Whether to delete attributes at all; False searches every cuboid, for comparison.
    early_stop : bool
        Whether to stop once every anomalous leaf is covered; False searches every layer.

    Raises
    ------
    SettingError
        If a threshold is outside [0, 1) or k is not positive.
    """

    leaf_deviation_threshold: float = 0.2
    t_cp: float = 0.01
    t_conf: float = 0.8
    k: int | None = None
    delete_redundant_attributes: bool = True
    early_stop: bool = True

    def __post_init__(self) -> None:
        for name in ("leaf_deviation_threshold", "t_cp", "t_conf"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if self.k is not None and self.k < 1:
            raise SettingError(f"k must be at least 1 or None, not {self.k}")


@dataclass(frozen=True)
class _Attributes:
    """What classification power decided: which attributes are kept, and in which order."""

    kept: tuple[int, ...]
    ranks: tuple[int, ...]
    remarks: tuple[str, ...]


class RAPMiner(Localizer):
    """Mine root anomaly patterns: anomalous combinations that no anomalous one contains.

    Abstains, with the reason, if no leaf is anomalous, if every leaf is (nothing tells the fault
    from its surroundings: it is global, or outside what the cube can see), or if no attribute has
    any classification power.

    Parameters
    ----------
    config : RAPMinerConfig, optional
        Settings.

    Notes
    -----
    A combination is passed over if any ancestor was accepted, not only a parent. Where a
    grandparent is anomalous and the parents between are not, Definition 1 read to the letter calls
    the combination a root too; the search does not, since the grandparent explains its leaves.

    References
    ----------
    RAPMiner (DSN 2022), sections II to IV; see the package for what is reconstructed.

    Examples
    --------
    Fig. 3 of the paper: everything under L1 and Site1 fails, and the pattern is that, not its
    children.

    >>> from itertools import product
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> rows = product(["L1", "L2"], ["Wireless", "Fixed"], ["Android", "IOS"], ["Site1", "Site2"])
    >>> frame = pl.DataFrame(list(rows), schema=["location", "access", "os", "site"], orient="row")
    >>> fails = (pl.col("location") == "L1") & (pl.col("site") == "Site1")
    >>> cube = KpiCube.from_frame(frame.with_columns(
    ...     predict=pl.lit(100.0), real=pl.when(fails).then(20.0).otherwise(99.0)))
    >>> answer = RAPMiner().localize(cube)
    >>> [c.display(cube.attributes) for c in answer.combinations]
    ['(L1, *, *, Site1)']
    >>> answer.remarks[0]
    "attribute 'access' deleted: classification power 0.0000 is below 0.01"
    """

    name: ClassVar[str] = "rapminer"

    def __init__(self, *, config: RAPMinerConfig | None = None) -> None:
        self.config = config or RAPMinerConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        is_anomalous = anomalous_leaves(leaves, self.config.leaf_deviation_threshold)
        n_active, n_anomalous = int(leaves.is_active.sum()), int(is_anomalous.sum())
        if n_anomalous == 0:
            return Answer(
                abstained="no leaf deviates by more than "
                f"{self.config.leaf_deviation_threshold:g} of its value"
            )
        if n_anomalous == n_active:
            return Answer(
                abstained=f"every leaf is anomalous ({n_active} of {n_active}): the fault is "
                "global, or its cause lies outside the cube"
            )
        attributes = self._attributes(leaves, is_anomalous)
        if not attributes.kept:
            return Answer(
                abstained=f"{n_anomalous} of {n_active} leaves are anomalous, but no attribute "
                "tells them from the normal ones",
                remarks=attributes.remarks,
            )
        kept = list(attributes.kept)
        layers = search(
            Cuboids(leaves.codes[:, kept], tuple(leaves.cardinalities[a] for a in kept)),
            leaves.is_active,
            is_anomalous,
            ranks=attributes.ranks,
            t_conf=self.config.t_conf,
            early_stop=self.config.early_stop,
        )
        return self._answer(leaves, attributes, layers)

    def _attributes(self, leaves: Leaves, is_anomalous: NDArray[np.bool_]) -> _Attributes:
        """Delete the attributes of too little classification power and order the rest by it."""
        power = classification_power(
            leaves.codes, leaves.cardinalities, leaves.is_active, is_anomalous
        )
        names = leaves.cube.attributes
        order = sorted(range(len(names)), key=lambda a: (-power[a], names[a]))
        kept = list(order)
        remarks: tuple[str, ...] = ()
        if self.config.delete_redundant_attributes:
            kept = [a for a in order if power[a] >= self.config.t_cp]
            remarks = tuple(
                f"attribute {names[a]!r} deleted: classification power {power[a]:.4f} is below "
                f"{self.config.t_cp:g}"
                for a in order
                if a not in kept
            )
        # In the cube's order, in which a full table rolls up fastest; the ranks keep the turns.
        kept.sort()
        distinct = sorted({-power[a] for a in kept})
        return _Attributes(tuple(kept), tuple(distinct.index(-power[a]) for a in kept), remarks)

    def _answer(
        self, leaves: Leaves, attributes: _Attributes, layers: list[LayerSearched]
    ) -> Answer:
        t_conf = self.config.t_conf
        cube = leaves.cube

        def ranked(found: list[Scored]) -> list[_Ranked]:
            described = []
            for s in found:
                positions = (attributes.kept[a] for a in s.attributes)
                elements = dict(zip(positions, s.codes, strict=True))
                score = rap_score(s.confidence, s.layer)
                described.append(_Ranked(s, elements, score, cube.combination(elements)))
            return sorted(described, key=lambda r: (-r.score, r.combination))

        accepted = [ranked(layer.accepted) for layer in layers]
        missed = [ranked(layer.missed)[:_NEAREST] for layer in layers]
        best = sorted(chain(*accepted), key=lambda r: (-r.score, r.combination))
        nearest = sorted(chain(*missed), key=lambda r: (-r.score, r.combination))[:_NEAREST]
        reported = best[: self.config.k]
        return Answer(
            findings=[
                Finding(
                    elements=r.elements,
                    score=r.score,
                    confidence=r.scored.confidence,
                    reason=f"{r.counts}, more than {t_conf:g} of them, and no combination above "
                    "it is anomalous",
                )
                for r in reported
            ],
            dropped=[
                *(
                    Candidate(r.elements, r.score, f"{r.counts}, not more than {t_conf:g} of them")
                    for r in nearest
                ),
                *(
                    Candidate(
                        r.elements, r.score, f"accepted, but not among the {len(reported)} best"
                    )
                    for r in best[len(reported) :]
                ),
            ],
            abstained=f"no combination has more than {t_conf:g} of its leaves anomalous",
            trace=[
                LayerTrace(
                    title=f"layer {layer.layer}",
                    cuboids=layer.cuboids,
                    combinations=layer.combinations,
                    accepted=tuple(r.combination.display(cube.attributes) for r in roots),
                    dropped=tuple(r.combination.display(cube.attributes) for r in losers),
                    note=_note(layer),
                )
                for layer, roots, losers in zip(layers, accepted, missed, strict=True)
            ],
            remarks=attributes.remarks,
        )


@dataclass(frozen=True)
class _Ranked:
    """A scored combination in the cube's own words."""

    scored: Scored
    elements: dict[int, int]
    score: float
    combination: AttributeCombination

    @property
    def counts(self) -> str:
        return f"{self.scored.anomalous} of {self.scored.leaves} leaves are anomalous"


def _note(layer: LayerSearched) -> str:
    parts = []
    if layer.pruned:
        parts.append(f"{layer.pruned} combinations lie below an accepted one: not searched")
    if layer.uncovered:
        parts.append(f"{layer.uncovered} anomalous leaves are not covered yet")
    else:
        parts.append("every anomalous leaf is covered")
    return "; ".join(parts)
