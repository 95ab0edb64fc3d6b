"""The latest coefficients in a window."""

from __future__ import annotations

import numpy as np

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PreEqualization
from faultsight.diagnose.pre_equalization import EqualizerHistory


def flat(amplitude: int) -> bytes:
    return bytes([8, 1, 24, 0]) + bytes(28) + amplitude.to_bytes(2) + bytes(66)


def node(told: list[tuple[int, int, bytes]]) -> NodePolls:
    """Two modems, polled at 0, 100, 200 s and at 50, 150 s, on two channels."""
    poll, channel, data = zip(*told, strict=True) if told else ((), (), ())
    return NodePolls(
        "F", ("a", "b"), ("1", "2"), np.array([0, 3, 5]), np.array([0.0, 100, 200, 50, 150]),
        pre_equalization=PreEqualization(
            np.array(poll, np.int64), np.array(channel, np.int64), data
        ),
    )  # fmt: skip


def amplitudes(history: EqualizerHistory, window: TimeWindow) -> list[list[float]]:
    latest = history.latest(window)
    assert (latest.taps[~latest.is_known] == 0).all()
    told: list[list[float]] = np.where(latest.is_known, latest.taps[:, :, 7].real, -1).tolist()
    return told


def test_the_latest_in_the_window_counts_for_each_channel() -> None:
    told = [(2, 0, flat(3)), (0, 0, flat(1)), (1, 0, flat(2)), (3, 1, flat(4)), (4, 0, flat(5))]
    history = EqualizerHistory(node(told))
    assert amplitudes(history, TimeWindow(0, 300)) == [[3, -1], [5, 4]]
    assert amplitudes(history, TimeWindow(0, 200)) == [[2, -1], [5, 4]]
    assert amplitudes(history, TimeWindow(0, 150)) == [[2, -1], [-1, 4]]
    assert amplitudes(history, TimeWindow(100, 101)) == [[2, -1], [-1, -1]]
    assert amplitudes(history, TimeWindow(201, 300)) == [[-1, -1], [-1, -1]]


def test_broken_ones_give_way_to_earlier_ones() -> None:
    history = EqualizerHistory(node([(0, 0, flat(1)), (1, 0, b"x"), (2, 0, b"")]))
    assert amplitudes(history, TimeWindow(0, 300)) == [[1, -1], [-1, -1]]
    assert dict(history.refused) == {"empty": 1, "not 100 bytes": 1}


def test_nothing_collected_is_nothing_known() -> None:
    empty = NodePolls("F", ("a",), (), np.array([0, 1]), np.array([5.0]))
    assert EqualizerHistory(empty).latest(TimeWindow(0, 10)).is_known.shape == (1, 0)
    assert not EqualizerHistory(node([])).latest(TimeWindow(0, 300)).is_known.any()
