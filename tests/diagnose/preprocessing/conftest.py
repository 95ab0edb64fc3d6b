"""Fiber nodes that are polled, with nothing but times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls
from faultsight.sim.cable_plant import CablePlantConfig
from faultsight.sim.cable_plant.polling import answers, rounds


@dataclass(frozen=True, eq=False)
class PolledNode:
    """Polls of the simulator's poller, and the round that each belongs to."""

    polls: NodePolls
    round_of_poll: NDArray[np.int64]
    n_rounds: int
    """Rounds that took place."""


@pytest.fixture(scope="session")
def polled_node() -> Callable[..., PolledNode]:
    def _polled_node(
        round_h: float,
        *,
        days: int = 60,
        n_devices: int = 250,
        loss_share: float = 0.05,
        round_lost_share: float = 0.005,
        duplicate_share: float = 0.0,
        interval_s: int = 14_400,
    ) -> PolledNode:
        config = CablePlantConfig.quiet(
            days=days,
            interval_s=interval_s,
            round_s=round(round_h * 3600),
            round_jitter_s=interval_s / 80,  # three minutes in four hours
            loss_share=loss_share,
            round_lost_share=round_lost_share,
            duplicate_share=duplicate_share,
        )
        plan = rounds(config, "FN000", n_devices)
        came = answers(config, "FN000", plan, np.zeros(plan.time_s.shape, np.float32))
        start = np.searchsorted(came.device, np.arange(n_devices + 1))
        names = tuple(f"m{device:03d}" for device in range(n_devices))
        polls = NodePolls("FN000", names, (), start, came.time_s)
        return PolledNode(polls, came.round, int(np.sum(~plan.is_lost)))

    return _polled_node
