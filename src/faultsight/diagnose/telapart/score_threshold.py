"""Anomaly thresholds: where a score parts time with many tickets from time with few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError

__all__ = ["ScoreGuards", "ScoreThreshold", "ScoreTotals"]


@dataclass(frozen=True)
class ScoreGuards:
    """What keeps a threshold from resting on a few calls.

    Parameters
    ----------
    smoothing : float
        Added to the numbers of tickets of both sides; positive, so that every rate is.
    least_time_share : float
        Of all time, what must be above the threshold.
    least_ticket_share : float
        Of all tickets, what must be above the threshold.
    reluctance : float
        Of ``likelihood``: log-likelihood that tickets must give for doubling the lowest threshold.
        Many tickets of one fault are one piece of evidence; a likelihood that counts each is too
        sure of itself.
    """

    smoothing: float = 0.5
    least_time_share: float = 0.0005
    least_ticket_share: float = 0.02
    reluctance: float = 24.0

    def __post_init__(self) -> None:
        if not self.smoothing > 0:
            raise SettingError(f"smoothing must be positive, not {self.smoothing}")
        if not self.reluctance >= 0:
            raise SettingError(f"reluctance must be at least 0, not {self.reluctance}")


@dataclass(frozen=True)
class ScoreThreshold:
    """A chosen threshold: scores from it on are anomalous.

    Attributes
    ----------
    value : float
        In the score's unit.
    criterion : str
        ``trr``, ``likelihood``, or ``default`` where tickets do not tell.
    trr : float
        Ticketing rate above it over the rate below.
    time_share, ticket_share : float
        Of all time and tickets, what is above it.
    """

    value: float
    criterion: str
    trr: float = float("nan")
    time_share: float = float("nan")
    ticket_share: float = float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "value": self.value,
            "criterion": self.criterion,
            **{
                k: None if np.isnan(v) else v
                for k, v in (
                    ("trr", self.trr),
                    ("time_share", self.time_share),
                    ("ticket_share", self.ticket_share),
                )
            },
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> ScoreThreshold:
        """Return what `to_dict` wrote."""
        shares = (told[key] for key in ("trr", "time_share", "ticket_share"))
        return cls(
            float(told["value"]),
            str(told["criterion"]),
            *(float("nan") if share is None else float(share) for share in shares),
        )


class ScoreTotals:
    """Time and tickets by score, summed over any number of windows.

    Parameters
    ----------
    edges : array
        Ascending thresholds to choose from.

    Examples
    --------
    >>> totals = ScoreTotals(np.array([1.0, 2.0, 3.0]))
    >>> totals.add(np.array([0.5, 1.5, 2.5]), np.array([900.0, 90, 90]), np.array([40.0, 10, 400]))
    >>> totals.choose("likelihood", ScoreGuards(), default=9.0).value
    2.0
    """

    def __init__(self, edges: NDArray[np.float64]) -> None:
        self.edges = edges
        self._sums = np.zeros((len(edges) + 1, 2))

    def add(
        self,
        scores: NDArray[np.float64],
        covered_s: NDArray[np.float64],
        tickets: NDArray[np.float64],
    ) -> None:
        """Add modem windows; those whose score is NaN are passed over."""
        known = ~np.isnan(scores)
        place = np.searchsorted(self.edges, scores[known], side="right")
        for k, weights in enumerate((covered_s, tickets)):
            self._sums[:, k] += np.bincount(place, weights[known], minlength=len(self._sums))

    def merge(self, other: ScoreTotals) -> None:
        """Add another's windows."""
        self._sums += other._sums

    def choose(self, criterion: str, guards: ScoreGuards, *, default: float) -> ScoreThreshold:
        """Return the best threshold.

        Parameters
        ----------
        criterion : str
            ``trr``: the rate above over the rate below (CableMon). ``likelihood``: the Poisson
            log-likelihood of one rate above and one below, which also asks how many tickets a
            threshold explains, and so does not end at the rarest score.
        guards : ScoreGuards
            What a threshold must satisfy.
        default : float
            The threshold where none does.
        """
        above = np.cumsum(self._sums[::-1], axis=0)[::-1][1:]
        total = self._sums.sum(axis=0)
        below = total - above
        rate_above = (above[:, 1] + guards.smoothing) / np.maximum(above[:, 0], 1e-9)
        rate_below = (below[:, 1] + guards.smoothing) / np.maximum(below[:, 0], 1e-9)
        trr = rate_above / rate_below
        values = trr.copy()
        if criterion == "likelihood":
            mean = total[1] / max(total[0], 1e-9)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.nan_to_num(
                    above[:, 1] * np.log(rate_above / mean)
                    + below[:, 1] * np.log(rate_below / mean)
                )
        is_allowed = (
            (above[:, 0] >= guards.least_time_share * total[0])
            & (above[:, 1] >= guards.least_ticket_share * total[1])
            & (above[:, 0] > 0)
            & (below[:, 0] > 0)
            & (trr > 1.0)
        )
        if total[1] <= 0 or not is_allowed.any():
            return ScoreThreshold(default, "default")
        values = np.where(is_allowed, values, -np.inf)
        best = int(np.flatnonzero(values == values.max())[-1])  # the strictest of equals
        if criterion == "likelihood":
            # The mean over all thresholds, each as likely as the tickets make it: few tickets leave
            # many open. One that is stricter than the lowest must be asked for by them.
            strictness = self.edges / self.edges[0] - 1.0
            weights = np.exp(values - values[best] - guards.reluctance * strictness)
            mean = float(weights @ self.edges / weights.sum())
            # Of those that may be, the nearest.
            best = int(np.argmin(np.where(is_allowed, np.abs(self.edges - mean), np.inf)))
        return ScoreThreshold(
            float(self.edges[best]), criterion, float(trr[best]),
            float(above[best, 0] / total[0]), float(above[best, 1] / total[1]),
        )  # fmt: skip
