"""False-negative augmentation: more windows like the few that were missed (paper, 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from faultsight.core.seed import random_stream
from faultsight.detect.anotuner._network import Network
from faultsight.detect.anotuner._rows import Windows
from faultsight.detect.anotuner._training import torch_stream
from faultsight.detect.anotuner.fine_tuning import Examples

__all__ = ["Augmentation", "augment", "n_generated"]


@dataclass(frozen=True)
class Augmentation:
    """How missed anomalies are multiplied.

    Parameters
    ----------
    method : {"none", "decoder", "rstl", "oversample"}
        Encode, draw and decode with the network (the paper's); RobustSTL with resampled
        remainders (the paper's peer); or the same windows again.
    ratio : float
        Missed windows to false alarms that are wanted; the paper's Figure 6 finds 1.
    cap : float
        At most so many generated windows for each real one.
    seed : int
        Of the draws.
    """

    method: Literal["none", "decoder", "rstl", "oversample"] = "none"
    ratio: float = 1.0
    cap: float = float("inf")
    seed: int = 0


def n_generated(n_missed: int, n_false_alarms: int, config: Augmentation) -> int:
    """Return how many windows to generate.

    Examples
    --------
    >>> n_generated(10, 90, Augmentation("decoder"))
    80
    >>> n_generated(10, 90, Augmentation("decoder", cap=1.0))
    10
    >>> n_generated(0, 90, Augmentation("decoder"))
    0
    """
    if config.method == "none" or not n_missed:
        return 0
    wanted = round(config.ratio * n_false_alarms) - n_missed
    return int(max(min(wanted, config.cap * n_missed), 0))


def augment(network: Network, missed: Examples, n: int, config: Augmentation) -> Examples:
    """Return `n` windows like the missed ones, each labelled an anomaly.

    Parameters
    ----------
    network : Network
        Trained; the decoder method encodes a missed window to mean and deviation, draws latent
        variables there and decodes each under that window's own condition.
    missed : Examples
        Windows of missed anomalies; taken in turn until `n` are made.
    n : int
        How many.
    config : Augmentation
        The method and seed.
    """
    again = missed[torch.arange(n) % len(missed)]
    if config.method == "oversample":
        return again
    rows, known, conditions = again.windows
    if config.method == "rstl":
        from faultsight.detect.anotuner.robust_stl import rstl_augment

        seed = int(random_stream(config.seed, "rstl").integers(2**31))
        generated = torch.from_numpy(rstl_augment(rows.numpy(), seed=seed)).to(rows.dtype)
    else:
        with torch.no_grad():
            drawn = network(rows, conditions, torch_stream(config.seed, "augmentation"))
        generated = drawn.values
    return Examples(
        Windows(generated, known, conditions), again.is_anomaly, again.usual, again.apart,
        again.level,
    )  # fmt: skip
