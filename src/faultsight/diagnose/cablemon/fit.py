"""Choosing thresholds by tickets: one pass over the telemetry, a fiber node at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.cablemon.config import CableMonConfig
from faultsight.diagnose.cablemon.rate_histograms import RateHistograms, measure
from faultsight.diagnose.cablemon.raw_metrics import collected_for
from faultsight.diagnose.cablemon.selection import Candidate, candidates, keep
from faultsight.diagnose.cablemon.thresholds import CableMonThresholds
from faultsight.diagnose.contract import Progress, map_nodes, silent
from faultsight.diagnose.preprocessing.collection_periods import (
    collection_periods_s,
    poll_of_ticket,
)
from faultsight.diagnose.preprocessing.duplicates import without_duplicates

__all__ = ["fit_cablemon"]

_DEFAULT = CableMonConfig()


@dataclass(frozen=True, eq=False)
class _Measured:
    """One fiber node."""

    fnode: str
    by_metric: dict[str, RateHistograms]
    modem_ms: int
    n_tickets: int


def fit_cablemon(
    telemetry: Telemetry,
    tickets: Tickets,
    span: TimeWindow,
    *,
    config: CableMonConfig = _DEFAULT,
    longest_s: float,
    workers: int = 1,
    progress: Progress = silent,
) -> CableMonThresholds:
    """Choose, for each generated feature, the threshold of the highest TRR, and keep the best.

    Parameters
    ----------
    telemetry : Telemetry
        Polls of any number of fiber nodes, as they were collected; read once.
    tickets : Tickets
        Of maintenance and of service alike; those of other modems or times are passed over.
    span : TimeWindow
        The training span.
    config : CableMonConfig
        What is tried and demanded.
    longest_s : float
        The longest time that one poll speaks for; more than the poll interval.
    workers : int
        Threads. Never changes the result.
    progress : callable
        Told in a short line what happens.

    Raises
    ------
    InputError
        If there is no poll, or no ticket while a modem was heard of: then no rate exists.

    Examples
    --------
    One modem of forty has a low SNR, and its customer calls every few days.

    >>> from faultsight.core.polls import PollTable
    >>> from faultsight.core.seed import random_stream
    >>> names, at = tuple(f"m{i:02}" for i in range(40)), np.arange(600) * 14400.0
    >>> snr_db = random_stream(7, "example").normal(36, 1, (24_000, 1)).astype(np.float32)
    >>> snr_db[:600] -= 10
    >>> node = NodePolls("F", names, ("1",), np.arange(41) * 600, np.tile(at, 40),
    ...                  {"snr_db": snr_db})
    >>> who, when = np.array(["m00"] * 30 + list(names)), np.append(at[::20], at[:40])
    >>> calls = Tickets(np.arange(70).astype(str), who, when, when, when < 0, who)
    >>> found = fit_cablemon(PollTable([node]), calls, TimeWindow(0, 600 * 14400),
    ...                      config=CableMonConfig(windows_polls=(1, 6)), longest_s=21600.0)
    >>> best = found.selected[0]
    >>> best.metric, best.is_below, 26 < best.threshold < 35
    ('snr_db', True, True)
    """
    if longest_s <= 0:
        raise SettingError(f"a collection period must be longer than {longest_s:g} s")
    nodes = telemetry.nodes(span, metrics=collected_for(config.metrics))
    total = _Total()
    for node in map_nodes(
        lambda polls: _measure_node(polls, tickets, span, config, longest_s), nodes, workers=workers
    ):
        total.add(node)
        progress(f"cablemon: measured {node.fnode}")
    if not total.modem_ms:
        raise InputError("there is no poll to learn from")
    if not total.n_tickets:
        raise InputError("no ticket was opened while one of these modems was polled")
    kept: list[Candidate] = []
    for metric in config.metrics:
        histograms = total.of(metric)
        if histograms is not None:
            found = candidates(metric, histograms, total.modem_ms, total.n_tickets, config)
            kept += keep(found, config)
    for candidate in kept:
        progress(f"cablemon: keeps {candidate.selected}")
    if not kept:
        progress("cablemon: no threshold tells tickets; nothing will be abnormal")
    return CableMonThresholds(config, tuple(c.selected for c in kept), tuple(c.curve for c in kept))


def _measure_node(
    polls: NodePolls, tickets: Tickets, span: TimeWindow, config: CableMonConfig, longest_s: float
) -> _Measured:
    # A request that is known to have had no answer is no poll: where requests are not recorded, it
    # would not be there.
    polls = without_duplicates(polls if polls.answered is None else polls.take(polls.answered))
    # Tickets after the span are not asked for, so its last periods end with it.
    period_s = np.minimum(collection_periods_s(polls, longest_s), span.end_s - polls.time_s)
    period_ms = np.rint(period_s * 1000).astype(np.int64)
    asked, _ = poll_of_ticket(polls, tickets.in_window(span), longest_s)
    by_metric = {}
    for metric in config.metrics:
        histograms = measure(polls, metric, period_ms, asked, config)
        if histograms is not None:
            by_metric[metric] = histograms
    return _Measured(polls.fnode, by_metric, int(period_ms.sum()), len(asked))


@dataclass
class _Total:
    """The sum over fiber nodes."""

    modem_ms: int = 0
    n_tickets: int = 0
    exposure_ms: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    ticket_bins: dict[str, list[NDArray[np.int16]]] = field(default_factory=dict)

    def add(self, node: _Measured) -> None:
        self.modem_ms += node.modem_ms
        self.n_tickets += node.n_tickets
        for metric, histograms in node.by_metric.items():
            if metric in self.exposure_ms:
                self.exposure_ms[metric] += histograms.exposure_ms
            else:
                self.exposure_ms[metric] = histograms.exposure_ms.copy()
            self.ticket_bins.setdefault(metric, []).append(histograms.ticket_bins)

    def of(self, metric: str) -> RateHistograms | None:
        if metric not in self.exposure_ms:
            return None
        return RateHistograms(self.exposure_ms[metric], np.concatenate(self.ticket_bins[metric]))
