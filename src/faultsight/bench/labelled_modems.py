"""Labelled sets of cable modems: how a set is polled, what is wrong in it, and its cases.

No labelled telemetry of cable modems is public. A case is a simulated fiber node in which one group
of modems and seven single ones are faulty, all of them within one look-back window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.contract import DAY_S
from faultsight.diagnose.telapart.paper_evidence import METRIC_OF
from faultsight.diagnose.telapart.prepared_node import PreparedNode, prepare
from faultsight.sim.cable_plant import CablePlantConfig, simulate_case

__all__ = ["FEATURES", "REGIMES", "LabelledModems", "ModemCase", "modem_cases"]

FEATURES = tuple(METRIC_OF)
"""What modems are clustered by in a labelled case."""

_OWN_TYPE: Mapping[str, tuple[str, ...]] = {
    "snr": ("segment_distortion",),
    "tx_power": ("attenuation",),
}
"""The fault of a part of a node whose own symptom the feature is, alike on all channels."""

HISTORY_DAYS = 9
"""Before the window: a week of usual levels, and two days in which faults may have begun."""


@dataclass(frozen=True)
class LabelledModems:
    """A labelled set: how long rounds are, what is lost, how fast faults come and go, and which.

    Attributes
    ----------
    name : str
        The name of the set.
    round_h : float
        D, how long a round of polling takes.
    loss_share : float
        Polls lost at random.
    dwell_h : float
        Mean time for which a fault is on, and off.
    every_type : bool
        Whether group faults are of every type that shows in the metric, and ranging has a dead
        band. Else they are segment distortion for SNR and attenuation for transmit power, without a
        dead band: the set on which the paper's order of methods was first seen in simulation.
    seeds : int
        How many are reported.
    """

    name: str
    round_h: float = 0.5
    loss_share: float = 0.05
    dwell_h: float = 6.0
    every_type: bool = False
    seeds: int = 10

    @property
    def plant(self) -> CablePlantConfig:
        """The plant that its cases are taken from."""
        plant = CablePlantConfig(
            round_s=round(self.round_h * 3600),
            loss_share=self.loss_share,
            mean_dwell_h=self.dwell_h,
        )
        return plant if self.every_type else replace(plant, dead_band_db=0.0)

    def types(self, feature: str) -> tuple[str, ...] | None:
        """Return the types of group faults; None is every type of the metric."""
        return None if self.every_type else _OWN_TYPE[feature]


REGIMES: Mapping[str, LabelledModems] = {
    regime.name: regime
    for regime in (
        LabelledModems("paper"),
        LabelledModems("every-type", every_type=True),
        LabelledModems("rounds-2h", round_h=2.0),
        LabelledModems("rounds-3.5h", round_h=3.5),
        LabelledModems("loss-15", loss_share=0.15),
        LabelledModems("loss-30", loss_share=0.30),
        LabelledModems("dwell-2h", dwell_h=2.0),
    )
}
"""``paper`` has the rounds, losses and dwells under which the paper's order of methods was first
seen in simulation; each of the others differs from it in what it is called by."""


@dataclass(frozen=True, eq=False)
class ModemCase:
    """One fiber node, and what is wrong with each of its modems.

    Attributes
    ----------
    name : str
        Unique in its set and seed.
    seed : int
        Of its plant.
    feature : str
        What it is clustered by; every fault shows in it.
    node : PreparedNode
        Its polls, history included.
    window : TimeWindow
        The look-back; it starts and ends in the silence between two rounds.
    label : array of shape (device,)
        int64; 0 is healthy, from 1 on one number for each fault.
    """

    name: str
    seed: int
    feature: str
    node: PreparedNode
    window: TimeWindow
    label: NDArray[np.int64]

    @property
    def metric(self) -> str:
        """The metric behind the feature."""
        return METRIC_OF[self.feature]

    @property
    def n_devices(self) -> int:
        """How many modems."""
        return len(self.label)

    def look_back(self, days: int) -> TimeWindow:
        """Return a window of so many days that ends where the case's does."""
        return TimeWindow(self.window.end_s - days * DAY_S, self.window.end_s)


def modem_cases(
    regime: LabelledModems,
    feature: str,
    *,
    seed: int,
    first: int,
    count: int,
    fault_days: int = 1,
) -> Iterator[ModemCase]:
    """Yield labelled cases: different fiber nodes of one plant.

    Parameters
    ----------
    regime : LabelledModems
        The set.
    feature : str
        Of `FEATURES`.
    seed : int
        Of the plant.
    first, count : int
        Which fiber nodes.
    fault_days : int
        Faults act within so many last days; they began up to two days before.

    Examples
    --------
    >>> case = next(modem_cases(REGIMES["paper"], "snr", seed=1000, first=0, count=1))
    >>> int(case.label.max()), case.window.end_s - case.window.start_s
    (8, 86400)
    """
    plant = regime.plant
    for index in range(first, first + count):
        made = simulate_case(
            plant, index, seed=seed, history_days=HISTORY_DAYS, look_back_days=fault_days,
            metric=METRIC_OF[feature], maintenance_types=regime.types(feature),
        )  # fmt: skip
        # Cases are written up to midnight, which the plant's rounds leave in silence.
        end_s = plant.start_s + (HISTORY_DAYS + fault_days) * DAY_S
        yield ModemCase(
            made.fnode, seed, feature, prepare(made.polls), TimeWindow(end_s - DAY_S, end_s),
            np.zeros(0, np.int64) if made.label is None else made.label,
        )  # fmt: skip
