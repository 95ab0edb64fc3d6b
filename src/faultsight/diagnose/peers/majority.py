"""The majority: every modem is healthy. What a diagnoser must beat that looks at nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import Diagnoser, NodeDiagnosis, Progress, Verdict
from faultsight.diagnose.peers._heard import Hearing

__all__ = ["Majority", "MajorityConfig"]


@dataclass(frozen=True)
class MajorityConfig:
    """There is nothing to set."""


class Majority(Diagnoser):
    """The most frequent verdict for all: at any time, most modems are healthy.

    Parameters
    ----------
    config : MajorityConfig, optional
        There is nothing to set.

    Examples
    --------
    >>> from faultsight.core.polls import PollTable
    >>> from faultsight.core.tickets import read_tickets
    >>> import polars as pl
    >>> no_tickets = read_tickets(pl.DataFrame(schema=dict.fromkeys(
    ...     ("ticket_id", "device_id", "opened", "closed", "kind"), pl.String)))
    >>> polls = NodePolls("F", ("a", "b"), (), np.array([0, 1, 2]), np.array([0.0, 90_000.0]))
    >>> telemetry = PollTable([polls])
    >>> Majority().fit(telemetry, no_tickets).diagnose(telemetry).count(Verdict.HEALTHY)
    2
    """

    metrics: tuple[str, ...] = ()

    def __init__(self, *, config: MajorityConfig | None = None) -> None:
        self.config = config or MajorityConfig()

    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        pass

    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        hearing = Hearing(polls)
        found = []
        for window in windows:
            heard = hearing.until_end_of(window)
            if len(heard.place):
                verdict = np.full(len(heard.place), Verdict.HEALTHY, np.int8)
                found.append(
                    NodeDiagnosis(polls.fnode, window, heard.device_ids, verdict, heard.covered_s)
                )
        return found
