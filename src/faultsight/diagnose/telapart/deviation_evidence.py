"""Our evidence: each modem against its own usual level, misses against the node's loss rate.

Only anomalous modems are clustered, by the direction in which their deviations move over several
days: healthy modems neither make a cluster nor carry an alarm into one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.preprocessing.missing_points import Slots
from faultsight.diagnose.telapart.config import TelApartConfig
from faultsight.diagnose.telapart.deviations import level_deviations
from faultsight.diagnose.telapart.feature_window import FeatureWindow, per_device, slots_of
from faultsight.diagnose.telapart.missing_test import miss_score, missed_rounds
from faultsight.diagnose.telapart.paper_evidence import METRIC_OF
from faultsight.diagnose.telapart.prepared_node import PreparedNode
from faultsight.diagnose.telapart.similarities import MovesLike, similarities, slot_values

__all__ = ["SCORE_EDGES", "DeviationEvidence"]

_LEAST_TOGETHER = 2
"""Rounds that a modem misses together with a part of the node, to be anomalous by them."""
_IS_HARM_UPWARD = {"snr": False, "tx_power": True}

SCORE_EDGES: Mapping[str, NDArray[np.float64]] = {
    "snr": np.round(np.arange(2.0, 10.0, 0.05), 2),
    "tx_power": np.round(np.arange(2.0, 10.0, 0.05), 2),
    "missing": np.round(np.arange(3.0, 12.0, 0.1), 1),
}
"""The thresholds that tickets choose from: dB, dB, and powers of ten of chance.

They begin where noise ends. Transmit power of a healthy modem wanders by the dead band of ranging
(1 dB), a step (0.25 dB) and the day's temperature (up to 0.9 dB); SNR by three times its reading
noise (0.45 dB) and the node's noise floor (0.5 dB): 2 dB each. Of misses, one modem day in a
thousand reaches 3 by chance.
"""


class DeviationEvidence:
    """A fiber node, each modem measured against itself.

    Parameters
    ----------
    node : PreparedNode
        The node.
    config : TelApartConfig
        The settings.
    windows : sequence of TimeWindow
        All windows that will be asked for, moved to the silence.
    thresholds : mapping of str to float
        By feature, the score from which on a modem is anomalous.
    """

    def __init__(
        self,
        node: PreparedNode,
        config: TelApartConfig,
        windows: Sequence[TimeWindow],
        thresholds: Mapping[str, float],
    ) -> None:
        self.node = node
        self.config = config
        self.thresholds = thresholds
        edges = np.array([[w.start_s, w.end_s] for w in windows], np.float64).reshape(-1, 2)
        self.levels = {
            f: level_deviations(
                node.polls, METRIC_OF[f], edges, history_s=float(config.history_s),
                is_harm_upward=_IS_HARM_UPWARD[f], quantile=config.usual_quantile,
                least_history=config.least_history,
            )
            for f in METRIC_OF
            if f in config.features and METRIC_OF[f] in node.polls.values
        }  # fmt: skip
        self._slots: tuple[int, Slots] | None = None

    def scores(self, position: int, window: TimeWindow) -> dict[str, NDArray[np.float64]]:
        """Return the score of each feature and modem."""
        found = {f: d.score_db[position] for f, d in self.levels.items()}
        if "missing" in self.config.features:
            found["missing"] = self._misses(position, window)[0]
        return found

    def answered(self, position: int, window: TimeWindow) -> NDArray[np.int64]:
        """Return how many polls each modem answered in the window."""
        slots = self._long_slots(position, window)
        inside = (slots.time_s >= window.start_s) & (slots.poll >= 0)
        return per_device(slots, inside)

    def features(self, position: int, window: TimeWindow) -> list[FeatureWindow]:
        """Return the features of a window."""
        slots = self._long_slots(position, window)
        found = []
        for feature, deviations in self.levels.items():
            score = deviations.score_db[position]
            threshold, answers = self.thresholds[feature], slots.n_slots > 0
            is_anomalous = score >= threshold
            is_milder = (score >= self.config.milder_share * threshold) & ~is_anomalous
            candidates = np.flatnonzero(is_anomalous & answers)
            # Without a cluster there is none to join.
            milder = np.flatnonzero(is_milder & answers & (len(candidates) > 0))
            devices, n = np.concatenate([candidates, milder]), len(candidates)
            own = slots_of(slots, devices)
            values = slot_values(
                own, self.node.polls.values[METRIC_OF[feature]],
                deviations.usual[position][devices],
            )  # fmt: skip
            alike = similarities(
                own, values[None], moves_like=MovesLike.COSINE,
                noise_db=self.config.noise_db, shrunk_by=self.config.shrunk_by,
            )  # fmt: skip
            sign = 1.0 if _IS_HARM_UPWARD[feature] else -1.0
            found.append(
                FeatureWindow(
                    feature, candidates, is_anomalous, alike.levels[0][:n, :n],
                    deviations.channel[position], sign * score, milder, alike.levels[0][n:, :n],
                )
            )  # fmt: skip
        if "missing" in self.config.features:
            found.append(self._missing(position, window))
        return found

    def _long_slots(self, position: int, window: TimeWindow) -> Slots:
        """Return the slots of the similarity look-back, kept for the features of one window."""
        if self._slots is None or self._slots[0] != position:
            slots = self.node.slots(self._long(window), self.config.gone_after_s)
            self._slots = (position, slots)
        return self._slots[1]

    def _long(self, window: TimeWindow) -> TimeWindow:
        start_s = window.end_s - self.config.similarity_look_back_s
        return TimeWindow(min(start_s, window.start_s), window.end_s)

    def _misses(
        self, position: int, window: TimeWindow
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        slots = self._long_slots(position, window)
        start_s, interval_s = float(self._long(window).start_s), self.node.rhythm.interval_s
        rounds = missed_rounds(slots, start_s, interval_s)
        inside = rounds.is_told & (slots.time_s >= window.start_s)
        is_missed = inside & (slots.poll < 0)
        n_missed = per_device(slots, is_missed)
        n_slots = per_device(slots, inside)
        score = miss_score(n_missed, n_slots, rounds.loss_share)
        n_together = per_device(slots, is_missed & rounds.is_struck)
        return np.where(n_slots > 0, score, np.nan), n_missed, n_together, rounds.is_told

    def _missing(self, position: int, window: TimeWindow) -> FeatureWindow:
        slots = self._long_slots(position, window)
        score, n_missed, n_together, is_told = self._misses(position, window)
        # Two misses of six say little of one modem, but much if a part of the node has the same.
        is_anomalous = (score >= self.thresholds["missing"]) | (n_together >= _LEAST_TOGETHER)
        candidates = np.flatnonzero(is_anomalous & (slots.n_slots > 0))
        told = Slots(slots.device_start, slots.time_s, np.where(is_told, slots.poll, 0))
        own = slots_of(told, candidates)
        # A miss is 1 and an answer 0, so the cosine is of misses: answers in common say nothing.
        misses = (own.poll < 0).astype(np.float64)[None, :, None]
        alike = similarities(own, misses, moves_like=MovesLike.COSINE)
        return FeatureWindow(
            "missing", candidates, is_anomalous, alike.levels[0],
            np.full(self.node.polls.n_devices, -1, np.int64),
            n_missed.astype(np.float64),
        )  # fmt: skip
