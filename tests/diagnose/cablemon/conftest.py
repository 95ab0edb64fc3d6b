"""Small fiber nodes with gaps, lost values and a planted fault."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.core.tickets import Tickets

HOUR_S = 3600.0
INTERVAL_S = 4 * HOUR_S


def _node(
    seed: int = 1000,
    *,
    fnode: str = "F1",
    n_devices: int = 12,
    n_rounds: int = 120,
    n_channels: int = 2,
    faulty: int = 2,
    drop_db: float = 10.0,
    missing: float = 0.1,
) -> NodePolls:
    """Return a node whose first `faulty` modems have a low SNR in the second half of each week."""
    stream = random_stream(seed, "node", fnode)
    shape = n_devices, n_rounds, n_channels
    snr_db = 36 + stream.normal(0, 0.6, shape)
    is_faulty = np.arange(n_rounds) % 42 >= 21
    snr_db[:faulty, is_faulty] -= drop_db
    tx_power_dbmv = 43 + stream.normal(0, 2, (n_devices, 1, 1)) + stream.normal(0, 0.3, shape)
    values = {"snr_db": snr_db, "tx_power_dbmv": tx_power_dbmv}
    came = stream.random((n_devices, n_rounds)) >= missing
    time_s = np.rint(
        1000 * (np.arange(n_rounds) * INTERVAL_S + stream.uniform(0, 1800, (n_devices, n_rounds)))
    )
    for cells in values.values():
        cells[stream.random(shape) < missing] = np.nan
    return NodePolls(
        fnode,
        tuple(f"{fnode}-m{i:02}" for i in range(n_devices)),
        tuple(str(c + 1) for c in range(n_channels)),
        np.concatenate([[0], np.cumsum(came.sum(axis=1))]),
        time_s[came] / 1000,
        {name: np.round(cells[came], 1).astype(np.float32) for name, cells in values.items()},
    )


def _calls(
    node: NodePolls, seed: int = 1000, *, per_fault_poll: float = 0.2, background: int = 40
) -> Tickets:
    """Return tickets: some while SNR is low, some at any time of any modem."""
    stream = random_stream(seed, "calls", node.fnode)
    with np.errstate(invalid="ignore"):
        low = np.flatnonzero((node.values["snr_db"] < 31).any(axis=1))
    hit = low[stream.random(len(low)) < per_fault_poll]
    polls = np.concatenate([hit, stream.integers(0, node.n_polls, background)])
    opened_s = node.time_s[polls] + stream.uniform(1, 3000, len(polls))
    order = np.argsort(opened_s)
    devices = np.array(node.device_ids)[node.device_of_poll[polls]][order]
    return Tickets(
        np.array([f"{node.fnode}-t{i}" for i in range(len(polls))]),
        devices,
        opened_s[order],
        opened_s[order] + 50 * HOUR_S,
        stream.random(len(polls)) < 0.3,
        np.full(len(polls), ""),
    )


@pytest.fixture
def make_node() -> Callable[..., NodePolls]:
    return _node


@pytest.fixture
def make_calls() -> Callable[..., Tickets]:
    return _calls
