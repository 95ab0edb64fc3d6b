"""TelApart: group the modems of a fiber node by how they move; the groups' size tells whose job.

Hu et al., "TelApart: Differentiating Network Faults from Customer-Premise Faults in Cable Broadband
Networks" (arXiv:2412.09740), with the fault detection of CableMon (NSDI '20). All thresholds come
from trouble tickets; no labels, none set by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import FaultSightError, InputError
from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.cablemon import CableMonConfig, CableMonThresholds, fit_cablemon
from faultsight.diagnose.contract import (
    Diagnoser,
    NodeDiagnosis,
    Progress,
    map_nodes,
    windows_of,
)
from faultsight.diagnose.preprocessing.duplicates import is_told_again
from faultsight.diagnose.telapart.config import FEATURES, TelApartConfig
from faultsight.diagnose.telapart.deviation_evidence import SCORE_EDGES, DeviationEvidence
from faultsight.diagnose.telapart.feature_window import FeatureWindow, NodeEvidence, per_device
from faultsight.diagnose.telapart.paper_evidence import METRIC_OF, PaperEvidence
from faultsight.diagnose.telapart.prepared_node import (
    NodeRhythm,
    PreparedNode,
    WindowTotals,
    prepare,
)
from faultsight.diagnose.telapart.score_threshold import ScoreGuards, ScoreThreshold, ScoreTotals
from faultsight.diagnose.telapart.stored_model import (
    stored_cablemon,
    stored_config,
    stored_rhythms,
    stored_scores,
    stored_similarity,
)
from faultsight.diagnose.telapart.ticket_guided import GuidedThreshold, TicketTotals
from faultsight.diagnose.telapart.verdicts import cluster, dendrogram_of, groups_of, verdicts_of

__all__ = ["FEATURES", "TelApart", "TelApartConfig"]

_FORMAT = "faultsight telapart 1"
_DEFAULT_SCORE = {"snr": 2.0, "tx_power": 2.0, "missing": 3.0}
"""Where tickets do not tell: dB beyond measurement noise, and one in a thousand by chance."""
_DEFAULT_SIMILARITY = {"snr": 0.55, "tx_power": 0.55, "missing": 0.6}
"""Likewise, and from which tickets must lead away."""
_DEFAULT_CORRELATION = 0.6
_DEFAULT_MISSES = 2.0
_NO_CABLEMON = CableMonThresholds(CableMonConfig(), (), ())
_MISS_EDGES = np.arange(1.0, 13.0)
_MISS_GUARDS = ScoreGuards(least_time_share=0.005, least_ticket_share=0.02)


class TelApart(Diagnoser):
    """Tell maintenance from service faults, with every threshold learned from tickets.

    Parameters
    ----------
    config : TelApartConfig, optional
        Default: modems measured against their own usual level. ``TelApartConfig.paper()``: as
        published.

    Attributes
    ----------
    scores : dict of str to ScoreThreshold
        By feature, from which score on a modem is anomalous.
    similarity : dict of str to GuidedThreshold
        By feature, s_f: how alike modems must move to be one group.
    cablemon : CableMonThresholds, optional
        In the paper's mode, what makes a poll abnormal.
    rhythms : dict of str to NodeRhythm
        When each fiber node seen in training is polled.

    Examples
    --------
    >>> from faultsight.core.polls import PollTable
    >>> from faultsight.core.tickets import read_tickets
    >>> from faultsight.sim.cable_plant import CablePlantConfig, simulate_node
    >>> node = simulate_node(CablePlantConfig(days=14, modems=(60, 61)), 0)
    >>> telemetry = PollTable([node.polls])
    >>> model = TelApart().fit(telemetry, read_tickets(node.tickets), workers=1)
    >>> found = model.diagnose(telemetry, workers=1)
    >>> len(found.nodes), len(found.nodes[0].verdict) == node.polls.n_devices
    (1, True)
    """

    def __init__(self, config: TelApartConfig | None = None) -> None:
        self.config: TelApartConfig = config or TelApartConfig()
        self.scores: dict[str, ScoreThreshold] = {}
        self.similarity: dict[str, GuidedThreshold] = {}
        self.cablemon: CableMonThresholds | None = None
        self.rhythms: dict[str, NodeRhythm] = {}
        self.look_back_s = self.config.look_back_s
        self.metrics = tuple(METRIC_OF[f] for f in METRIC_OF if f in self.config.features)

    @property
    def history_s(self) -> int:
        """How much before a window it wants to see."""
        if self.config.evidence == "paper":
            return 2 * self.config.look_back_s
        return max(self.config.history_s, self.config.similarity_look_back_s)

    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        is_paper = self.config.evidence == "paper"
        windows = windows_of(
            span, look_back_s=self.config.look_back_s, step_s=self.config.look_back_s
        )
        if is_paper and len(METRIC_OF.keys() & set(self.config.features)):
            interval_s = self.config.interval_s or 14_400.0
            self.cablemon = fit_cablemon(
                telemetry, tickets, span, config=self.config.cablemon,
                longest_s=1.5 * interval_s, workers=workers, progress=progress,
            )  # fmt: skip
        self.rhythms = {}
        self.scores = self._score_thresholds(telemetry, tickets, span, windows, workers, progress)
        totals = {f: self._ticket_totals() for f in self.config.features}
        self.similarity = {}

        def sweep(polls: NodePolls) -> dict[str, TicketTotals]:
            return self._sweep(polls, tickets, windows)

        for done in map_nodes(sweep, self._read(telemetry, span), workers=workers):
            for feature, found in done.items():
                totals[feature].merge(found)
        for feature, found in totals.items():
            default = _DEFAULT_CORRELATION if is_paper else _DEFAULT_SIMILARITY[feature]
            self.similarity[feature] = found.choose(
                self.config.criterion, self.config.guards, default=default
            )
        for feature, chosen in self.similarity.items():
            progress(
                f"{feature}: anomalous from {self._anomalous_from(feature)}, "
                f"one group from similarity {chosen.similarity:.3f} ({chosen.criterion})"
            )

    def _anomalous_from(self, feature: str) -> str:
        if feature in self.scores:
            return f"{self.scores[feature].value:g}"
        return "what CableMon chose"

    def _read(self, telemetry: Telemetry, span: TimeWindow) -> Iterator[NodePolls]:
        return telemetry.nodes(span, metrics=self.metrics)

    def _ticket_totals(self) -> TicketTotals:
        return TicketTotals(cluster_size=self.config.cluster_size, quorum=self.config.quorum)

    def _score_thresholds(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        windows: Sequence[TimeWindow],
        workers: int,
        progress: Progress,
    ) -> dict[str, ScoreThreshold]:
        """Learn each node's rhythm, and from which score on a modem is anomalous."""
        is_paper = self.config.evidence == "paper"
        scored = [f for f in self.config.features if not is_paper or f == "missing"]
        edges = {f: _MISS_EDGES if is_paper else SCORE_EDGES[f] for f in scored}
        totals = {f: ScoreTotals(edges[f]) for f in scored}

        def score(polls: NodePolls) -> tuple[PreparedNode, dict[str, ScoreTotals]]:
            node = prepare(polls, interval_s=self.config.interval_s)
            found = {f: ScoreTotals(edges[f]) for f in scored}
            quiet = [node.quiet_window(window) for window in windows]
            sums = node.totals(quiet, tickets)
            calls = sums.maintenance_tickets + sums.service_tickets
            for at, scores in enumerate(self._scores(node, quiet)):
                for feature, values in scores.items():
                    found[feature].add(values, sums.covered_s[at], calls[at])
            return node, found

        for node, found in map_nodes(score, self._read(telemetry, span), workers=workers):
            self.rhythms[node.polls.fnode] = node.rhythm
            progress(f"learned the usual levels of {node.polls.fnode}")
            for feature, part in found.items():
                totals[feature].merge(part)
        criterion = "trr" if is_paper else self.config.criterion
        default = {"missing": _DEFAULT_MISSES} if is_paper else _DEFAULT_SCORE
        guards = _MISS_GUARDS if is_paper else self.config.score_guards
        return {f: totals[f].choose(criterion, guards, default=default[f]) for f in scored}

    def _scores(
        self, node: PreparedNode, quiet: Sequence[TimeWindow]
    ) -> Iterator[dict[str, NDArray[np.float64]]]:
        """Yield the scores of each window by feature."""
        if self.config.evidence == "deviation":
            evidence = DeviationEvidence(node, self.config, quiet, _DEFAULT_SCORE)
            for at, window in enumerate(quiet):
                yield evidence.scores(at, window)
        elif "missing" in self.config.features:
            for window in quiet:
                slots = node.slots(window, self.config.gone_after_s)
                missed = per_device(slots, slots.poll < 0)
                yield {"missing": np.where(slots.n_slots > 0, missed, np.nan)}

    def _evidence(self, node: PreparedNode, quiet: Sequence[TimeWindow]) -> NodeEvidence:
        if self.config.evidence == "paper":
            misses = self.scores.get("missing")
            return PaperEvidence(
                node, self.config, self.cablemon or _NO_CABLEMON,
                misses.value if misses else _DEFAULT_MISSES,
            )  # fmt: skip
        thresholds = {f: threshold.value for f, threshold in self.scores.items()}
        return DeviationEvidence(node, self.config, quiet, thresholds)

    def feature_windows(self, polls: NodePolls, window: TimeWindow) -> list[FeatureWindow]:
        """Return what each feature says of a node in a window, before anything is clustered.

        Parameters
        ----------
        polls : NodePolls
            Of one fiber node, from `history_s` before the window on.
        window : TimeWindow
            As `NodeDiagnosis.window` tells it: already moved to the silence.
        """
        return self._evidence(self._prepared(polls), [window]).features(0, window)

    def _prepared(self, polls: NodePolls) -> PreparedNode:
        return prepare(
            polls, interval_s=self.config.interval_s, rhythm=self.rhythms.get(polls.fnode)
        )

    def _sweep(
        self, polls: NodePolls, tickets: Tickets, windows: Sequence[TimeWindow]
    ) -> dict[str, TicketTotals]:
        """Return the ticket totals of one node under every similarity threshold."""
        node = self._prepared(polls)
        quiet = [node.quiet_window(window) for window in windows]
        sums = node.totals(quiet, tickets)
        evidence = self._evidence(node, quiet)
        found = {f: self._ticket_totals() for f in self.config.features}
        for at, window in enumerate(quiet):
            for feature in evidence.features(at, window):
                if feature.is_anomalous[feature.candidates].any():
                    self._add(found[feature.feature], feature, sums, at)
        return found

    def _add(
        self, totals: TicketTotals, feature: FeatureWindow, sums: WindowTotals, at: int
    ) -> None:
        mine = feature.candidates
        told = (
            feature.is_anomalous[mine],
            sums.covered_s[at][mine],
            sums.maintenance_tickets[at][mine],
            sums.service_tickets[at][mine],
        )
        if self.config.clustering == "dbscan":
            totals.add_clusterings(
                lambda threshold: cluster(feature.similarity, threshold, "dbscan"), *told
            )
        else:
            totals.add(dendrogram_of(feature, self.config.clustering), *told)

    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        again = np.flatnonzero(is_told_again(polls))
        first_s, again_s = polls.time_s[again], polls.time_s[again + 1]
        together, found = [], []
        for window in windows:
            # Two things would let later polls tell: a poll beyond the window that takes the place
            # of one in it, and the rhythm of a fiber node that was not seen in training.
            is_replaced = (first_s < window.end_s) & (again_s >= window.end_s)
            if polls.fnode in self.rhythms and not is_replaced.any():
                together.append(window)
            else:
                until = polls.take(polls.time_s < window.end_s)
                found += self._judge(self._prepared(until), [window])
        return found + (self._judge(self._prepared(polls), together) if together else [])

    def _judge(self, node: PreparedNode, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        quiet = [node.quiet_window(window) for window in windows]
        covered_s = node.covered_s(quiet)
        evidence = self._evidence(node, quiet)
        found = []
        for at, window in enumerate(quiet):
            features = evidence.features(at, window)
            groups = [
                group
                for feature in features
                if feature.is_anomalous.any()
                for group in groups_of(
                    feature, self.similarity[feature.feature].similarity, self.config,
                    node.polls.channels,
                )
            ]  # fmt: skip
            found.append(
                verdicts_of(
                    node, window, features, groups, covered_s=covered_s[at],
                    answered=evidence.answered(at, window), least_values=self.config.least_values,
                )
            )  # fmt: skip
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted model for JSON."""
        return {
            "format": _FORMAT,
            "config": asdict(self.config),
            "scores": {f: t.to_dict() for f, t in self.scores.items()},
            "similarity": {f: t.to_dict() for f, t in self.similarity.items()},
            "cablemon": None if self.cablemon is None else self.cablemon.to_dict(),
            "rhythms": {
                fnode: [r.interval_s, r.threshold_s, r.phase_s, None if np.isnan(r.accuracy)
                        else r.accuracy]
                for fnode, r in self.rhythms.items()
            },
        }  # fmt: skip

    def save(self, path: Path | str) -> Path:
        """Write the model as JSON, complete or not at all."""
        if not self.is_fitted:
            raise InputError("telapart is not fitted; there is nothing to save")
        return write_atomic(path, json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> TelApart:
        """Read a model.

        Raises
        ------
        InputError
            If the file is missing or is not a model; names the file.
        """
        try:
            told = json.loads(Path(path).read_text(encoding="utf-8"))
            if isinstance(told, dict) and told.get("format") == _FORMAT:
                return cls._from_dict(told)
        except (
            FaultSightError, OSError, ValueError, KeyError, TypeError, AttributeError,
            RecursionError, OverflowError,
        ) as error:  # fmt: skip
            why = f"{error} is missing" if isinstance(error, KeyError) else error
            raise InputError(f"cannot be read as a model: {why}", source=str(path)) from error
        raise InputError(
            f"cannot be read as a model: its format is not {_FORMAT!r}", source=str(path)
        )

    @classmethod
    def _from_dict(cls, told: Mapping[str, Any]) -> TelApart:
        model = cls(stored_config(told["config"]))
        model.scores = stored_scores(told["scores"], model.config)
        model.similarity = stored_similarity(told["similarity"], model.config)
        model.cablemon = stored_cablemon(told["cablemon"])
        model.rhythms = stored_rhythms(told["rhythms"])
        model.is_fitted = True
        return model
