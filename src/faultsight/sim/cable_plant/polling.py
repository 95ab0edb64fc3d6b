"""When the poller asks, and what reaches it: rounds in random order, lost and told twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig

__all__ = ["Answers", "Rounds", "answers", "rounds"]

_NOT_AGAIN_BEFORE_S = 1.0


@dataclass(frozen=True, eq=False)
class Rounds:
    """Every poll that is tried.

    Attributes
    ----------
    time_s : array of shape (round, device)
        When the answer would come, to the millisecond.
    is_lost : array of shape (round,)
        Whether the round never took place for this fiber node.
    """

    time_s: NDArray[np.float64]
    is_lost: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Answers:
    """Every poll that came, ordered by device and time.

    Attributes
    ----------
    device, round : array of shape (poll,)
        Whose, and of which round.
    time_s : array of shape (poll,)
        When.
    """

    device: NDArray[np.int64]
    round: NDArray[np.int64]
    time_s: NDArray[np.float64]


def rounds(config: CablePlantConfig, fnode: str, n_devices: int, *, seed: int = 0) -> Rounds:
    """Return when a fiber node's modems are asked.

    Examples
    --------
    >>> plan = rounds(CablePlantConfig(days=2), "FN000", 3)
    >>> plan.time_s.shape, bool((np.diff(plan.time_s, axis=0) > 12_000).all())
    ((12, 3), True)
    """
    stream = random_stream(seed, "cable", fnode, "rounds")
    number = np.arange(config.n_rounds)
    late_s = stream.normal(0.0, config.round_jitter_s, config.n_rounds)
    late_s = np.clip(late_s, -3 * config.round_jitter_s, 3 * config.round_jitter_s)
    begins_s = config.start_s + config.first_round_s + number * config.interval_s + late_s
    begins_s = np.maximum(begins_s, config.start_s)
    asked_s = stream.random((config.n_rounds, n_devices)) * config.round_s
    is_lost = stream.random(config.n_rounds) < config.round_lost_share
    return Rounds(np.rint((begins_s[:, None] + asked_s) * 1000) / 1000, is_lost)


def answers(
    config: CablePlantConfig,
    fnode: str,
    plan: Rounds,
    fault_loss: NDArray[np.float32],
    *,
    seed: int = 0,
) -> Answers:
    """Return which polls come, and when.

    Parameters
    ----------
    config : CablePlantConfig
        Shares of polls lost and told twice.
    fnode, seed : str, int
        Whose polls.
    plan : Rounds
        What is tried.
    fault_loss : array of shape (round, device)
        Probability that a fault keeps the poll from being answered.

    Examples
    --------
    >>> config = CablePlantConfig(days=2, loss_share=0, round_lost_share=0, duplicate_share=0)
    >>> plan = rounds(config, "FN000", 3)
    >>> len(answers(config, "FN000", plan, np.zeros((12, 3), np.float32)).time_s)
    36
    """
    stream = random_stream(seed, "cable", fnode, "answers")
    came = stream.random(plan.time_s.shape, np.float32) >= config.loss_share
    came &= stream.random(plan.time_s.shape, np.float32) >= fault_loss
    came &= ~plan.is_lost[:, None]
    device, number = np.nonzero(came.T)
    time_s = plan.time_s[number, device]
    again = np.flatnonzero(stream.random(len(device)) < config.duplicate_share)
    later_s = stream.uniform(_NOT_AGAIN_BEFORE_S, config.duplicate_within_s, len(again))
    again_s = np.floor((time_s[again] + later_s) * 1000) / 1000
    device, number = np.append(device, device[again]), np.append(number, number[again])
    time_s = np.append(time_s, again_s)
    order = np.lexsort((time_s, device))
    return Answers(device[order], number[order], time_s[order])
