"""Any detector as a scikit-learn estimator, for pipelines, searches and comparisons with PyOD.

Rows of X are moments of one network element, columns its KPIs. A fleet, marks and alarms need the
detectors themselves; this is the door for code that speaks scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import FaultSightError, MissingExtraError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect import DETECTORS

try:
    from sklearn.base import BaseEstimator, OutlierMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as error:
    raise MissingExtraError("the scikit-learn adapter", "peers") from error

__all__ = ["SeriesOutlierDetector"]

_ENTITY = "X"


class SeriesOutlierDetector(OutlierMixin, BaseEstimator):
    """A detector behind scikit-learn's contract for outliers.

    Scores have scikit-learn's sign here: the lower, the more anomalous; everywhere else in
    FaultSight a higher score is more anomalous.

    Parameters
    ----------
    detector : str
        A name of `DETECTORS`, such as ``"anotuner"``.
    settings : mapping, optional
        Fields of its config; the others have their defaults.
    contamination : float
        Share of the rows fitted on that lies below `offset_`.
    start_s, interval_s : int
        When the first row of every X is, in seconds since 1970 UTC, and the step between rows. A
        pandas DataFrame with a DatetimeIndex tells both itself; without time zone it is UTC.

    Attributes
    ----------
    detector_ : Detector
        What was fitted.
    offset_ : float
        The score under which a row is an outlier.

    Raises
    ------
    ValueError
        If X, or a setting, cannot be used.

    Notes
    -----
    A row is judged from the rows up to it alone. So the order of rows matters, and rows before
    those of interest serve as their history: score them together.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> X[250] += 9.0
    >>> estimator = SeriesOutlierDetector("ridge_var").fit(X[:200])
    >>> int(estimator.score_samples(X).argmin())
    250
    >>> int(estimator.predict(X)[250])
    -1
    """

    def __init__(
        self,
        detector: str = "ridge_var",
        *,
        settings: Mapping[str, Any] | None = None,
        contamination: float = 0.005,
        start_s: int = 0,
        interval_s: int = 3600,
    ) -> None:
        self.detector = detector
        self.settings = settings
        self.contamination = contamination
        self.start_s = start_s
        self.interval_s = interval_s

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Learn what is usual.

        Parameters
        ----------
        X : array or DataFrame of shape (time, kpi)
            In order; NaN is missing.
        y : ignored
            Labels are not looked at.
        """
        if not 0.0 < self.contamination <= 0.5:
            raise ValueError(f"contamination lies in (0, 0.5], not {self.contamination}")
        frame = self._frame(X, is_fit=True)
        try:
            member = DETECTORS.load(self.detector).with_settings(self.settings or {})
            self.detector_ = member.fit([frame])
        except FaultSightError as error:
            raise ValueError(f"{error} (n_samples = {len(frame)})") from error
        known = self._scores(frame)
        known = known[np.isfinite(known)]
        self.offset_ = float(np.quantile(known, self.contamination)) if len(known) else -np.inf
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return how usual each row is, of shape (time,): NaN where nothing is known of it."""
        check_is_fitted(self)
        return self._scores(self._frame(X, is_fit=False))

    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return scores less `offset_`, of shape (time,): below 0 is an outlier."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:  # noqa: N803
        """Return -1 for outliers, else 1, of shape (time,); a row without a value is none."""
        return np.where(self.decision_function(X) < 0, -1, 1).astype(np.int64)

    def _scores(self, frame: KpiFrame) -> NDArray[np.float64]:
        try:
            (score,) = self.detector_.score([frame])
        except FaultSightError as error:
            raise ValueError(str(error)) from error
        return -score.total

    def _frame(self, X: Any, *, is_fit: bool) -> KpiFrame:  # noqa: N803
        index = getattr(X, "index", None)
        values = validate_data(
            self, X, reset=is_fit, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        names = getattr(self, "feature_names_in_", [f"kpi_{i}" for i in range(values.shape[1])])
        step_s = self.interval_s if is_fit else self.detector_.interval_s
        start_s, interval_s = _clock(index, step_s) or (self.start_s, step_s)
        try:
            return KpiFrame(_ENTITY, tuple(names), start_s, interval_s, values)
        except FaultSightError as error:
            raise ValueError(str(error)) from error

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _clock(index: Any, step_s: int) -> tuple[int, int] | None:
    """Return the first stamp and the step of a DatetimeIndex, of one stamp `step_s`; else None."""
    if not hasattr(index, "tz") or not len(index):
        return None
    if index.hasnans:
        raise ValueError("the index of X has stamps that are missing")
    plain = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    times_s = plain.to_numpy().astype("datetime64[s]").astype(np.int64)
    steps = np.diff(times_s)
    if not len(steps):
        return int(times_s[0]), step_s
    if steps[0] <= 0 or (steps != steps[0]).any():
        row = int(np.flatnonzero((steps != steps[0]) | (steps <= 0))[0]) + 2
        raise ValueError(
            f"the index of X is not regular at row {row}; sort it and give it one step "
            "(DataFrame.asfreq), or use KpiFrame.from_table"
        )
    return int(times_s[0]), int(steps[0])
