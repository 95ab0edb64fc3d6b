"""PUAD-style: typical courses of each KPI; marks are learned from as positives among unlabelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame
from faultsight.core.seed import random_stream
from faultsight.detect.contract import DetectorState, Progress, silent
from faultsight.detect.peers._lloyd import lloyd
from faultsight.detect.peers._marks import LabelledWindows, tuned_by_marks
from faultsight.detect.peers._windows import WindowBank, WindowDetector, masked_squared_distances

__all__ = ["PUADStyle", "PUADStyleConfig"]

Table = NDArray[np.float64]

_WINDOWS_AT_ONCE = 4096
_N_FEATURES = 3


@dataclass(frozen=True)
class PUADStyleConfig:
    """Settings of `PUADStyle`; the paper's are not known.

    Parameters
    ----------
    window : int
        Rows of a course.
    n_clusters : int
        Typical courses of each KPI.
    prior : float
        Share of anomalous values that is assumed, for learning from positives and unlabelled.
    penalty : float
        On the squared weights of a KPI's classifier.
    most_windows, n_iterations : int
        Courses that are clustered, evenly thinned; rounds at most.
    seed : int
        Of the first centroids.
    """

    window: int = 12
    n_clusters: int = 20
    prior: float = 0.05
    penalty: float = 0.01
    most_windows: int = 8_000
    n_iterations: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.window < 2 or min(self.n_clusters, self.most_windows, self.n_iterations) < 1:
            raise SettingError(
                "window is at least 2; n_clusters, most_windows and n_iterations at least 1"
            )
        if not 0.0 < self.prior < 1.0 or not self.penalty > 0 or self.seed < 0:
            raise SettingError("prior lies in (0, 1), penalty is above 0, seed at least 0")


class PUADStyle(WindowDetector):
    """Clustering and positive-unlabelled learning, KPI by KPI, after Zhang et al., ISSRE '21.

    Known, from the AnoTuner paper: PUAD combines PU learning with the clustering of series, for one
    series at a time. The rest is ours, and maybe not theirs: a value is expected to be what ends
    the typical course (by k-means) that is most like the rows before it. `tune` learns for each KPI
    a logistic model on how far off values are, from those marked as anomalies as positives, and
    history and all marked rows as unlabelled (the convex risk of du Plessis et al., ICML '15);
    errors are multiplied by its probability over the assumed share. Without a marked anomaly it
    stays as it was. A mark without KPIs speaks of all of them.

    Examples
    --------
    >>> rows = np.sin(np.arange(300.0) / 5)[:, None]
    >>> rows[250] = 0.9 - rows[250]
    >>> frame = KpiFrame("cell-1", ("load",), 0, 3600, rows)
    >>> int(PUADStyle().fit([frame[:200]]).score([frame])[0].total.argmax())
    250
    """

    learns_missed: ClassVar[bool] = True

    def __init__(self, config: PUADStyleConfig | None = None) -> None:
        self.config = config or PUADStyleConfig()

    @property
    def _length(self) -> int:
        return int(self.config.window)

    def tune(
        self, frames: Sequence[KpiFrame], marks: Sequence[Mark], *, progress: Progress = silent
    ) -> tuple[Self, Mapping[str, int]]:
        """Return a copy that has learned from marks, and how many windows and marks that were."""
        return tuned_by_marks(self, frames, marks, _learn_classifiers)

    def _learn(self, bank: WindowBank, progress: Progress) -> None:
        config = self.config
        rows, known = bank.take(bank.thinned(config.most_windows))
        self.courses = []
        for i, kpi in enumerate(self.kpis):
            some = known[:, :, i].any(axis=1)
            if not some.any():  # never known here: it is expected at its mean
                self.courses.append(np.zeros((1, config.window), np.float32))
                continue
            stream = random_stream(config.seed, "courses", kpi)
            self.courses.append(
                lloyd(rows[some, :, i], known[some, :, i], config.n_clusters, stream,
                      n_iterations=config.n_iterations)
            )  # fmt: skip
        self.classifiers = np.zeros((len(self.kpis), _N_FEATURES + 1))
        self.classifiers[:, -1] = np.log(config.prior / (1.0 - config.prior))

    def _learned(self) -> Mapping[str, Table]:
        courses = [part.astype(np.float64) for part in self.courses]
        sizes = np.array([float(len(part)) for part in courses])
        return {"courses": np.concatenate(courses), "sizes": sizes, "classifiers": self.classifiers}

    def _take(self, state: DetectorState) -> None:
        n_kpis = len(state.kpis)
        together = state.array("courses", -1, self._length).astype(np.float32)
        sizes = state.array("sizes", n_kpis)
        bounds = np.cumsum(sizes)
        if not (sizes >= 1).all() or bounds[-1] != len(together):
            raise InputError("the detector's 'courses' are not one part a KPI")
        self.courses = np.split(together, bounds[:-1].astype(np.int64))
        self.classifiers = state.array("classifiers", n_kpis, _N_FEATURES + 1)

    def _errors(self, bank: WindowBank) -> Table:
        found = [np.empty((0, len(self.kpis)))]
        for start in range(0, len(bank), _WINDOWS_AT_ONCE):
            windows = np.arange(start, min(start + _WINDOWS_AT_ONCE, len(bank)), dtype=np.int64)
            off, features = self._seen(bank, windows)
            logits = (features * self.classifiers[:, :-1]).sum(2) + self.classifiers[:, -1]
            found.append(off * np.abs(off) * expit(logits) / self.config.prior)
        return np.concatenate(found)

    def _seen(self, bank: WindowBank, windows: NDArray[np.int64]) -> tuple[Table, Table]:
        """Return values less what was expected, (window, kpi), and features of how far that is."""
        rows, known = bank.take(windows)
        off = np.empty((len(windows), len(self.kpis)))
        strange = np.empty_like(off)
        for i, courses in enumerate(self.courses):
            before = masked_squared_distances(
                rows[:, :-1, i], known[:, :-1, i], courses[:, :-1],
                np.ones((len(courses), self._length - 1), dtype=bool),
            )  # fmt: skip
            nearest = before.argmin(axis=1)
            least = before[np.arange(len(before)), nearest]
            told = np.isfinite(least)
            expected = np.where(told, courses[nearest, -1], 0.0)
            off[:, i] = rows[:, -1, i] - expected
            strange[:, i] = np.where(told, least, 0.0)
        above = rows[:, -1].astype(np.float64)
        return off, np.stack([np.log1p(off**2), np.log1p(strange), above], axis=2)


def _learn_classifiers(tuned: PUADStyle, told: LabelledWindows) -> None:
    """Learn each KPI's classifier from the values that marks speak of."""
    bank, config = told.bank, tuned.config
    positive = np.zeros((len(bank), len(tuned.kpis)), dtype=bool)
    firsts = np.searchsorted(bank.owners, np.arange(len(bank.entities)))
    number = dict(zip(bank.entities, firsts, strict=True))
    for span in told.marked.spans:
        if span.is_anomaly:
            named = np.array([not span.mark.kpis or kpi in span.mark.kpis for kpi in tuned.kpis])
            positive[np.ix_(number[span.mark.entity] + span.rows, np.flatnonzero(named))] = True
    known = bank.known[bank.ends]
    windows = np.union1d(
        np.flatnonzero(told.history)[:: max(-(-int(told.history.sum()) // config.most_windows), 1)],
        np.flatnonzero(told.labels),
    ).astype(np.int64)
    _, features = tuned._seen(bank, windows)
    tuned.classifiers = tuned.classifiers.copy()
    for i in range(len(tuned.kpis)):
        there = known[windows, i]
        marked = positive[windows, i] & there
        if marked.any():
            tuned.classifiers[i] = fit_positive_unlabelled(
                features[marked, i], features[there, i], config.prior, config.penalty
            )


def fit_positive_unlabelled(
    positive: Table, unlabelled: Table, prior: float, penalty: float
) -> Table:
    """Return weights and intercept of a logistic model from positives and unlabelled points.

    The least of ``-prior * mean(g(positive)) + mean(log(1 + exp(g(unlabelled))))`` and the penalty,
    which is convex, and for many points the same as if all were labelled.

    Examples
    --------
    >>> stream = np.random.default_rng(0)
    >>> high, low = stream.normal(4.0, size=(50, 1)), stream.normal(0.0, size=(950, 1))
    >>> weight, intercept = fit_positive_unlabelled(high, np.concatenate([high, low]), 0.05, 1e-3)
    >>> bool(weight * 4 + intercept > 0 > weight * 1 + intercept)
    True
    """

    def risk(w: Table) -> tuple[float, Table]:
        positives = positive @ w[:-1] + w[-1]
        all_points = unlabelled @ w[:-1] + w[-1]
        value = -prior * positives.mean() + np.logaddexp(0.0, all_points).mean()
        share = expit(all_points) / len(unlabelled)
        slope = np.append(share @ unlabelled - prior * positive.mean(axis=0), share.sum() - prior)
        slope[:-1] += 2.0 * penalty * w[:-1]
        return float(value + penalty * (w[:-1] ** 2).sum()), slope

    start = np.zeros(positive.shape[1] + 1)
    start[-1] = np.log(prior / (1.0 - prior))
    return np.asarray(minimize(risk, start, jac=True, method="L-BFGS-B").x)
