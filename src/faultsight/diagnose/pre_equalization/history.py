"""The coefficients of a fiber node over time, and the latest of each modem in a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.diagnose.pre_equalization.decoding import N_TAPS, decode_all

__all__ = ["EqualizerHistory", "LatestTaps"]


@dataclass(frozen=True, eq=False)
class LatestTaps:
    """The latest equalizer of each modem and channel.

    Attributes
    ----------
    taps : array of shape (device, channel, 24)
        complex64; zeros where none is known.
    main_tap : array of shape (device, channel)
        int64, counted from 0; 0 where none is known.
    is_known : array of shape (device, channel)
        Whether one is known.
    """

    taps: NDArray[np.complex64]
    main_tap: NDArray[np.int64]
    is_known: NDArray[np.bool_]


class EqualizerHistory:
    """The usable coefficients of a fiber node, in order of time.

    Parameters
    ----------
    polls : NodePolls
        Of the fiber node.

    Attributes
    ----------
    refused : mapping of str to int
        Why coefficients were put aside, and how many; see `decode_all`.

    Examples
    --------
    >>> from faultsight.core.polls import PreEqualization
    >>> flat = bytes([8, 1, 24, 0]) + bytes(28) + bytes.fromhex("07ff0000") + bytes(64)
    >>> sent = PreEqualization(np.array([0, 1]), np.array([0, 0]), (flat, b"broken"))
    >>> polls = NodePolls("F", ("a",), ("1",), np.array([0, 2]), np.array([0.0, 60.0]),
    ...                   pre_equalization=sent)
    >>> history = EqualizerHistory(polls)
    >>> history.latest(TimeWindow(0, 3600)).is_known.tolist(), dict(history.refused)
    ([[True]], {'not 100 bytes': 1})
    """

    def __init__(self, polls: NodePolls) -> None:
        self._shape = (polls.n_devices, len(polls.channels))
        sent = polls.pre_equalization
        decoded = decode_all(() if sent is None else sent.data)
        self.refused: Mapping[str, int] = decoded.refused
        poll = np.zeros(0, np.int64) if sent is None else sent.poll[decoded.row]
        channel = np.zeros(0, np.int64) if sent is None else sent.channel[decoded.row]
        order = np.argsort(polls.time_s[poll], kind="stable")
        self._time_s = polls.time_s[poll][order]
        self._cell = (polls.device_of_poll[poll] * self._shape[1] + channel)[order]
        self._taps = decoded.taps[order]
        self._main_tap = decoded.main_tap[order]

    def latest(self, window: TimeWindow) -> LatestTaps:
        """Return the latest usable equalizer of each modem and channel inside a window."""
        start, end = np.searchsorted(self._time_s, (window.start_s, window.end_s))
        last = np.full(self._shape[0] * self._shape[1], -1, np.int64)
        # Of several in one cell the last assigned stays, which is the latest.
        last[self._cell[start:end]] = np.arange(start, end)
        is_known = last >= 0
        taps = np.zeros((len(last), N_TAPS), np.complex64)
        main_tap = np.zeros(len(last), np.int64)
        taps[is_known] = self._taps[last[is_known]]
        main_tap[is_known] = self._main_tap[last[is_known]]
        return LatestTaps(
            taps.reshape(*self._shape, N_TAPS),
            main_tap.reshape(self._shape),
            is_known.reshape(self._shape),
        )
