"""Random verdicts: what a diagnoser that knows nothing but how often customers call reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.seed import random_stream
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import Diagnoser, NodeDiagnosis, Progress, Verdict
from faultsight.diagnose.peers._heard import Hearing

__all__ = ["RandomVerdict", "RandomVerdictConfig"]


@dataclass(frozen=True)
class RandomVerdictConfig:
    """The one setting.

    Parameters
    ----------
    seed : int
        Of the verdicts; at least 0.

    Raises
    ------
    SettingError
        If it is negative.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise SettingError(f"seed must be at least 0, not {self.seed}")


class RandomVerdict(Diagnoser):
    """Verdicts drawn with the shares at which tickets are opened; no measured value is looked at.

    The share of maintenance is the number of maintenance tickets in the training span, over the
    modem windows in it, and likewise for service: how likely it is that a window holds a ticket of
    the kind. No truth goes in. A draw follows from seed, modem and the window's end alone.

    Parameters
    ----------
    config : RandomVerdictConfig, optional
        Settings.

    Attributes
    ----------
    maintenance_share, service_share : float
        Of modem windows; known after `fit`.

    Examples
    --------
    >>> from faultsight.core.polls import PollTable
    >>> from faultsight.core.tickets import read_tickets
    >>> import polars as pl
    >>> tickets = read_tickets(pl.DataFrame({"ticket_id": ["t"], "device_id": ["a"],
    ...     "opened": [3600.0], "closed": [None], "kind": ["service"]}))
    >>> polls = NodePolls("F", ("a", "b"), (), np.array([0, 1, 2]), np.array([0.0, 86_399.0]))
    >>> diagnoser = RandomVerdict().fit(PollTable([polls]), tickets)
    >>> diagnoser.maintenance_share, diagnoser.service_share
    (0.0, 0.5)
    """

    excused: ClassVar[Mapping[str, str]] = {
        "check_names_change_nothing": "what is drawn follows a modem's name; other names are "
        "another draw",
    }
    metrics: tuple[str, ...] = ()

    def __init__(self, *, config: RandomVerdictConfig | None = None) -> None:
        self.config = config or RandomVerdictConfig()
        self.maintenance_share = self.service_share = 0.0

    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        n_maintenance = n_service = n_modems = 0
        for polls in telemetry.nodes(span, metrics=self.metrics):
            mine, _ = tickets.of_devices(polls.device_ids)
            n_maintenance += int(mine.is_maintenance.sum())
            n_service += int((~mine.is_maintenance).sum())
            n_modems += polls.n_devices
        n_windows = max(n_modems * (span.end_s - span.start_s) / self.look_back_s, 1e-9)
        maintenance, service = n_maintenance / n_windows, n_service / n_windows
        # More tickets than windows there can only be in a toy; then nobody is healthy.
        scale = max(maintenance + service, 1.0)
        self.maintenance_share, self.service_share = maintenance / scale, service / scale

    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        hearing = Hearing(polls)
        start = np.array(
            [
                random_stream(self.config.seed, "random verdict", device_id).integers(2**62)
                for device_id in polls.device_ids
            ],
            np.uint64,
        )
        found = []
        for window in windows:
            heard = hearing.until_end_of(window)
            if len(heard.place):
                drawn = _uniform(start[heard.place], window.end_s)
                verdict = np.full(len(drawn), Verdict.HEALTHY, np.int8)
                verdict[drawn < self.maintenance_share + self.service_share] = Verdict.SERVICE
                verdict[drawn < self.maintenance_share] = Verdict.MAINTENANCE
                found.append(
                    NodeDiagnosis(polls.fnode, window, heard.device_ids, verdict, heard.covered_s)
                )
        return found


def _uniform(start: NDArray[np.uint64], end_s: int) -> NDArray[np.float64]:
    """Return a number from 0 to 1 for each start, mixed with a moment as splitmix64 does."""
    state = start + np.array([end_s], np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(((state ^ (state >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53)
