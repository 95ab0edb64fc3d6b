"""How much modem time, and which tickets, lie in each bin of each generated feature.

A poll is abnormal if any channel crosses the threshold. So for thresholds that values fall below,
the lowest channel speaks for the poll, for those that they rise above the highest one, and one
histogram for each feature and direction holds all thresholds at once. Time is counted in whole
milliseconds: sums are exact and do not depend on the order of nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls
from faultsight.diagnose.cablemon.bins import N_BINS
from faultsight.diagnose.cablemon.config import CableMonConfig
from faultsight.diagnose.cablemon.generated_features import (
    Generator,
    generated_features,
)
from faultsight.diagnose.cablemon.kernels import add_up
from faultsight.diagnose.cablemon.raw_metrics import raw_values

__all__ = ["ABOVE", "BELOW", "RateHistograms", "measure"]

BELOW, ABOVE = 0, 1
"""Positions of the two directions."""


@dataclass(eq=False)
class RateHistograms:
    """Exposure and tickets of one metric by bin.

    Attributes
    ----------
    exposure_ms : array of shape (feature, direction, bin)
        int64; how long modems were there.
    ticket_bins : array of shape (ticket, feature, direction)
        int16; where the modem was when its ticket was opened; -1 where the feature does not
        exist. A few dozen bytes a ticket are all that grows with the span.
    """

    exposure_ms: NDArray[np.int64]
    ticket_bins: NDArray[np.int16]

    def tickets(self, feature: int, direction: int) -> NDArray[np.int64]:
        """Return how many tickets lie in each bin."""
        bins = self.ticket_bins[:, feature, direction]
        return np.bincount(bins[bins >= 0], minlength=N_BINS)


def measure(
    polls: NodePolls,
    metric: str,
    period_ms: NDArray[np.int64],
    poll_of_ticket: NDArray[np.int64],
    config: CableMonConfig,
) -> RateHistograms | None:
    """Return the histograms of one fiber node; None if the metric was not collected.

    Parameters
    ----------
    polls : NodePolls
        Without duplicates.
    metric : str
        A raw metric.
    period_ms : array of shape (poll,)
        How long each poll speaks.
    poll_of_ticket : array of shape (ticket,)
        In whose period each ticket was opened.
    config : CableMonConfig
        What is generated.
    """
    values = raw_values(polls, metric)
    if values is None:
        return None
    features = generated_features(config)
    generator = Generator.of(config)
    asked, row_of_ticket = np.unique(poll_of_ticket, return_inverse=True)
    row_of_poll = np.full(polls.n_polls, -1, np.int64)
    row_of_poll[asked] = np.arange(len(asked))
    exposure_ms = np.zeros((len(features), 2, N_BINS), np.int64)
    rows = np.full((len(asked), len(features), 2), -1, np.int16)
    add_up(
        np.ascontiguousarray(values),
        polls.device_start,
        period_ms,
        row_of_poll,
        generator.windows,
        generator.least_present,
        generator.weights,
        generator.n_slots,
        np.array([generator.slot(feature) for feature in features], np.int64),
        np.array([feature.counts_octaves(metric) for feature in features], np.bool_),
        exposure_ms,
        rows,
    )
    return RateHistograms(exposure_ms, rows[row_of_ticket])
