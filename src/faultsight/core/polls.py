"""Polls of the cable modems of a fiber node: when each answered, and what it said per channel.

A poll is one request to one modem; all upstream channels of a poll share its stamp. Polls stay as
they were collected: unaligned, with gaps and duplicates. Nothing is resampled or invented here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow

__all__ = [
    "CHANNEL_STATES",
    "COUNTERS",
    "LEVELS",
    "NodePolls",
    "PollTable",
    "PreEqualization",
    "Telemetry",
    "joined_polls",
    "merged_polls",
    "node_polls",
]

LEVELS = ("snr_db", "tx_power_dbmv", "rx_power_dbmv")
"""What a poll measures at its moment."""

COUNTERS = (
    "codewords_unerrored",
    "codewords_corrected",
    "codewords_uncorrectable",
    "t3_timeouts",
    "t4_timeouts",
)
"""What a poll counts since the poll before: deltas, never running totals."""

CHANNEL_STATES = (
    "is_muted",
    "ranging",
    "micro_reflections_dbc",
    "snr_std_db",
    "ranging_aborts",
    "t3_exceeded",
)
"""What a collector may tell of a channel besides; stored, and nothing is diagnosed from it."""

KEYS = ("fnode", "device_id", "timestamp", "channel")
"""The columns that name a row of a table of polls."""


@dataclass(frozen=True, eq=False)
class PreEqualization:
    """The pre-equalization coefficients that some polls brought, as the modem sent them.

    Attributes
    ----------
    poll, channel : array of shape (n,)
        Which poll of the node, and which of its channels.
    data : tuple of bytes
        DocsEqualizerData (RFC 4546), undecoded.
    """

    poll: NDArray[np.int64]
    channel: NDArray[np.int64]
    data: tuple[bytes, ...]


@dataclass(frozen=True, eq=False)
class NodePolls:
    """All polls of the modems of one fiber node.

    Attributes
    ----------
    fnode : str
        The fiber node; one RF domain.
    device_ids : tuple of str
        Its modems, sorted.
    channels : tuple of str
        Its upstream channels, sorted.
    device_start : array of shape (device + 1,)
        int64; the polls of device ``i`` are ``device_start[i]:device_start[i + 1]``.
    time_s : array of shape (poll,)
        float64; when the answer came, seconds since 1970 UTC, ascending within a device.
    values : mapping of str to array of shape (poll, channel)
        float32 by metric; NaN is missing.
    round_id : array of shape (poll,), optional
        int64; the collection round, where the poller says so; -1 is unknown.
    answered : array of shape (poll,), optional
        False where a poll is known to have had no answer.
    pre_equalization : PreEqualization, optional
        Where it was collected and asked for.

    Examples
    --------
    >>> snr_db = np.array([[36], [35], [37]], np.float32)
    >>> polls = NodePolls("F1", ("a", "b"), ("1",), np.array([0, 2, 3]),
    ...                   np.array([0.0, 14400.0, 60.0]), {"snr_db": snr_db})
    >>> polls.n_devices, polls.in_window(TimeWindow(0, 3600)).time_s.tolist()
    (2, [0.0, 60.0])
    """

    fnode: str
    device_ids: tuple[str, ...]
    channels: tuple[str, ...]
    device_start: NDArray[np.int64]
    time_s: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    round_id: NDArray[np.int64] | None = None
    answered: NDArray[np.bool_] | None = None
    pre_equalization: PreEqualization | None = None

    def __post_init__(self) -> None:
        if len(self.device_start) != self.n_devices + 1:
            raise InputError(
                f"{self.n_devices} devices need {self.n_devices + 1} starts", source=self.fnode
            )
        shape = (self.n_polls, len(self.channels))
        for metric, values in self.values.items():
            if values.shape != shape:
                raise InputError(
                    f"{metric} has shape {values.shape}, not {shape}", source=self.fnode
                )

    @property
    def n_devices(self) -> int:
        """How many modems."""
        return len(self.device_ids)

    @property
    def n_polls(self) -> int:
        """How many polls of all modems together."""
        return len(self.time_s)

    @property
    def device_of_poll(self) -> NDArray[np.int64]:
        """The device of each poll."""
        return np.repeat(np.arange(self.n_devices, dtype=np.int64), np.diff(self.device_start))

    def take(self, keep: NDArray[np.bool_]) -> NodePolls:
        """Return the polls that are kept; every device stays, also one without a poll."""
        counts = np.zeros(self.n_devices, np.int64)
        np.add.at(counts, self.device_of_poll[keep], 1)
        pre_equalization = self.pre_equalization
        if pre_equalization is not None:
            place = np.cumsum(keep) - 1
            stays = keep[pre_equalization.poll]
            pre_equalization = PreEqualization(
                place[pre_equalization.poll[stays]],
                pre_equalization.channel[stays],
                tuple(d for d, s in zip(pre_equalization.data, stays, strict=True) if s),
            )
        return replace(
            self,
            device_start=np.concatenate([[0], np.cumsum(counts)]),
            time_s=self.time_s[keep],
            values={metric: values[keep] for metric, values in self.values.items()},
            round_id=None if self.round_id is None else self.round_id[keep],
            answered=None if self.answered is None else self.answered[keep],
            pre_equalization=pre_equalization,
        )

    def in_window(self, window: TimeWindow) -> NodePolls:
        """Return the polls answered inside a half-open window; every device stays."""
        inside = (self.time_s >= window.start_s) & (self.time_s < window.end_s)
        return self if inside.all() else self.take(inside)

    def to_table(self) -> pl.DataFrame:
        """Return the polls as `node_polls` reads them: a row for each poll and channel.

        Where no channel is known, a poll is one row without a channel.
        """
        n_channels = max(len(self.channels), 1)
        poll = np.repeat(np.arange(self.n_polls), n_channels)
        row_ms = np.rint(self.time_s[poll] * 1000).astype(np.int64)
        devices = pl.Series(self.device_ids, dtype=pl.String)
        channels = pl.Series(self.channels or (None,), dtype=pl.String)
        columns: dict[str, pl.Series] = {
            "timestamp": pl.Series(row_ms).cast(pl.Datetime("ms", "UTC")),
            "device_id": devices.gather(self.device_of_poll[poll]),
            "fnode": pl.repeat(self.fnode, len(poll), eager=True),
            "channel": channels.gather(np.tile(np.arange(n_channels), self.n_polls)),
        }
        for metric, values in self.values.items():
            cells = values if self.channels else np.full((self.n_polls, 1), np.nan, np.float32)
            columns[metric] = pl.Series(cells.ravel()).fill_nan(None)
        if self.round_id is not None:
            columns["round_id"] = pl.Series(self.round_id[poll])
        if self.answered is not None:
            columns["answered"] = pl.Series(self.answered[poll])
        if self.pre_equalization is not None:
            sent: list[bytes | None] = [None] * len(poll)
            rows = self.pre_equalization.poll * n_channels + self.pre_equalization.channel
            for row, data in zip(rows.tolist(), self.pre_equalization.data, strict=True):
                sent[row] = data
            columns["pre_equalization"] = pl.Series(sent, dtype=pl.Binary)
        return pl.DataFrame(columns)


class Telemetry(Protocol):
    """Where polls are read from, a fiber node at a time."""

    @property
    def fnodes(self) -> Sequence[str]:
        """The fiber nodes, sorted."""

    @property
    def window(self) -> TimeWindow:
        """From the first poll to the second after the last."""

    def nodes(
        self,
        window: TimeWindow | None = None,
        *,
        fnodes: Sequence[str] | None = None,
        metrics: Sequence[str] = LEVELS,
        with_pre_equalization: bool = False,
    ) -> Iterator[NodePolls]:
        """Yield the polls of each fiber node once, always in the same order, cut to a window.

        Metrics that were never collected are left out of `NodePolls.values`. A node without a
        poll in the window is left out.
        """


class PollTable:
    """Polls in memory.

    Parameters
    ----------
    nodes : iterable of NodePolls
        One for each fiber node.

    Examples
    --------
    >>> table = pl.DataFrame({"timestamp": [0.0, 9.0], "device_id": ["a", "b"],
    ...                       "fnode": ["F1", "F1"], "channel": ["1", "1"], "snr_db": [36.0, 35.0]})
    >>> polls = PollTable(node_polls(table))
    >>> polls.fnodes, next(polls.nodes()).device_ids
    (['F1'], ('a', 'b'))
    """

    def __init__(self, nodes: Iterable[NodePolls]) -> None:
        self._nodes = {node.fnode: node for node in sorted(nodes, key=lambda node: node.fnode)}

    @property
    def fnodes(self) -> list[str]:
        """The fiber nodes, sorted."""
        return list(self._nodes)

    @property
    def window(self) -> TimeWindow:
        """From the first poll to the second after the last."""
        stamps = [node.time_s for node in self._nodes.values() if node.n_polls]
        if not stamps:
            return TimeWindow(0, 0)
        first, last = min(t.min() for t in stamps), max(t.max() for t in stamps)
        return TimeWindow(int(first // 1), int(last // 1) + 1)

    def nodes(
        self,
        window: TimeWindow | None = None,
        *,
        fnodes: Sequence[str] | None = None,
        metrics: Sequence[str] = LEVELS,
        with_pre_equalization: bool = False,
    ) -> Iterator[NodePolls]:
        """Yield the polls of each fiber node; see `Telemetry.nodes`."""
        wanted = None if fnodes is None else set(fnodes)
        for fnode, node in self._nodes.items():
            if wanted is not None and fnode not in wanted:
                continue
            kept = {m: v for m, v in node.values.items() if m in metrics}
            cut = replace(
                node,
                values=kept,
                pre_equalization=node.pre_equalization if with_pre_equalization else None,
            )
            cut = cut if window is None else cut.in_window(window)
            if cut.n_polls:
                yield cut


def node_polls(table: pl.DataFrame) -> list[NodePolls]:
    """Return the polls of a table, one `NodePolls` for each fiber node.

    Parameters
    ----------
    table : polars.DataFrame
        A row for each poll and channel, in any order: ``timestamp`` (a time, or epoch seconds),
        ``device_id``, ``fnode``, ``channel`` (text; null where a poll had no answer), and any of
        `LEVELS`, `COUNTERS`, ``round_id``, ``answered``, ``pre_equalization`` (binary). Of rows of
        one device, moment and channel the last counts.

    Raises
    ------
    MissingColumnError
        If a key column is missing.
    """
    for column in KEYS:
        if column not in table.columns:
            raise MissingColumnError(column, table.columns)
    if not table.height:
        return []
    # Names may be numbers; they are in order as texts, here and wherever they are looked up.
    table = table.with_columns(pl.col("fnode", "device_id", "channel").cast(pl.String))
    return joined_polls([table.sort(*KEYS, maintain_order=True, nulls_last=True)])


def joined_polls(tables: Sequence[pl.DataFrame]) -> list[NodePolls]:
    """Return the polls of several tables, each sorted by fiber node, device, time and channel.

    Names are compared once for each run of rows of one device, and only polls are put in order,
    never rows, so that joining the days of a folder costs no more than reading them.
    """
    rows = tables[0] if len(tables) == 1 else pl.concat(tables, how="diagonal")
    runs, keys, device_of_run = _device_runs(rows)
    is_first = _changes(rows["timestamp"])
    is_first[runs] = True
    first_row = np.flatnonzero(is_first)
    device = np.repeat(
        device_of_run, np.diff(np.searchsorted(first_row, runs), append=len(first_row))
    )
    return _nodes(keys, device, first_row, rows)


def merged_polls(parts: Sequence[NodePolls]) -> NodePolls:
    """Return the polls of one fiber node that were read in parts, such as month by month.

    Parameters
    ----------
    parts : sequence of NodePolls
        With the same metrics; no poll in two of them.

    Examples
    --------
    >>> parts = [NodePolls("F", (device,), ("1",), np.array([0, 1]), np.array([time_s]))
    ...          for device, time_s in (("b", 0.0), ("a", 0.0), ("b", 9.0))]
    >>> merged = merged_polls(parts)
    >>> merged.device_ids, merged.device_start.tolist(), merged.time_s.tolist()
    (('a', 'b'), [0, 1, 3], [0.0, 0.0, 9.0])
    """
    if len(parts) == 1:
        return parts[0]
    device_ids = sorted(set().union(*(part.device_ids for part in parts)))
    channels = sorted(set().union(*(part.channels for part in parts)))
    device_of = {name: i for i, name in enumerate(device_ids)}
    channel_of = {name: i for i, name in enumerate(channels)}
    device = np.concatenate(
        [np.repeat([device_of[name] for name in part.device_ids], np.diff(part.device_start))
         for part in parts]
    )  # fmt: skip
    time_s = np.concatenate([part.time_s for part in parts])
    order = _order(device, time_s)
    columns = [[channel_of[name] for name in part.channels] for part in parts]
    starts = np.concatenate([[0], np.cumsum([part.n_polls for part in parts])])
    values = {}
    for metric in parts[0].values:
        cells = np.full((len(device), len(channels)), np.nan, np.float32)
        for part, start, column in zip(parts, starts.tolist(), columns, strict=False):
            cells[start : start + part.n_polls, column] = part.values[metric]
        values[metric] = cells[order]
    round_ids = [part.round_id for part in parts if part.round_id is not None]
    answered = [part.answered for part in parts if part.answered is not None]
    return NodePolls(
        parts[0].fnode,
        tuple(device_ids),
        tuple(channels),
        np.concatenate([[0], np.cumsum(np.bincount(device, minlength=len(device_ids)))]),
        time_s[order],
        values,
        np.concatenate(round_ids)[order] if round_ids else None,
        np.concatenate(answered)[order] if answered else None,
        _merged_pre_equalization(parts, starts, columns, order),
    )


def _device_runs(
    rows: pl.DataFrame,
) -> tuple[NDArray[np.int64], list[tuple[str, str]], NDArray[np.int64]]:
    """Return where each run of rows of one device starts, all devices in order, and each run's."""
    starts = np.flatnonzero(_changes(rows["fnode"]) | _changes(rows["device_id"]))
    names = rows.select("fnode", "device_id")[starts].cast(pl.String)
    devices = names.unique().sort("fnode", "device_id").with_row_index("device")
    device_of_run = names.join(
        devices, on=["fnode", "device_id"], how="left", maintain_order="left", nulls_equal=True
    )["device"]
    keys = list(devices.select("fnode", "device_id").iter_rows())
    return starts, keys, device_of_run.to_numpy().astype(np.int64)


def _order(device: NDArray[np.int64], time_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the stable order by device and time."""
    order = np.argsort(device, kind="stable")
    if not _is_sorted(device[order], time_s[order]):  # parts that overlap in time
        order = np.lexsort((time_s, device))
    return order


def _is_sorted(device: NDArray[np.int64], time_s: NDArray[np.float64]) -> bool:
    later, same = device[1:] > device[:-1], device[1:] == device[:-1]
    return bool((later | (same & (time_s[1:] >= time_s[:-1]))).all())


def _nodes(
    keys: Sequence[tuple[str, str]],
    device: NDArray[np.int64],
    first_row: NDArray[np.int64],
    table: pl.DataFrame,
) -> list[NodePolls]:
    """Cut rows into fiber nodes, given the device and the first row of each run of one moment."""
    time_s = _seconds(table["timestamp"].gather(first_row))
    order = _order(device, time_s)
    device, time_s = device[order], time_s[order]
    # Runs of the same moment, from tables that overlap, are one poll.
    is_poll = np.ones(len(device), np.bool_)
    is_poll[1:] = (device[1:] != device[:-1]) | (time_s[1:] != time_s[:-1])
    poll_of_run = np.empty(len(device), np.int64)
    poll_of_run[order] = np.cumsum(is_poll) - 1
    device, time_s, polled_rows = device[is_poll], time_s[is_poll], first_row[order][is_poll]
    names, code_of_row = _codes(table["channel"])
    n_channels = max(len(names), 1)
    cell_of_row = np.repeat(poll_of_run * n_channels, np.diff(first_row, append=table.height))
    cell_of_row += code_of_row
    row_of_cell = np.full((len(device), n_channels), -1, np.int64)
    row = np.arange(table.height)
    if code_of_row.size and code_of_row.min() < 0:
        row = np.flatnonzero(code_of_row >= 0)
        cell_of_row = cell_of_row[row]
    row_of_cell.ravel()[cell_of_row] = row
    columns = {
        name: table[name].cast(pl.Float32).fill_null(np.nan).to_numpy()
        for name in (*LEVELS, *COUNTERS)
        if name in table.columns
    }
    round_id = answered = None
    if "round_id" in table.columns:
        round_id = table["round_id"].cast(pl.Int64).fill_null(-1).to_numpy()[polled_rows]
    if "answered" in table.columns:
        answered = table["answered"].fill_null(value=True).to_numpy()[polled_rows]
    fnodes = [fnode for fnode, _ in keys]
    polls = []
    for fnode in dict.fromkeys(fnodes):
        low, high = bisect_left(fnodes, fnode), bisect_right(fnodes, fnode)
        starts = np.searchsorted(device, np.arange(low, high + 1))
        start, end = int(starts[0]), int(starts[-1])
        cells = row_of_cell[start:end]
        used = np.flatnonzero((cells >= 0).any(axis=0))
        if len(used) < n_channels:
            cells = np.ascontiguousarray(cells[:, used])
        polls.append(
            NodePolls(
                fnode,
                tuple(name for _, name in keys[low:high]),
                tuple(names[i] for i in used),
                starts - start,
                time_s[start:end],
                {name: _cells(column, cells) for name, column in columns.items()},
                None if round_id is None else round_id[start:end],
                None if answered is None else answered[start:end],
                _pre_equalization(table, cells),
            )
        )
    return polls


def _seconds(stamps: pl.Series) -> NDArray[np.float64]:
    if isinstance(stamps.dtype, pl.Datetime):
        return np.asarray(stamps.dt.epoch("us").to_numpy() / 1e6, np.float64)
    return stamps.cast(pl.Float64).to_numpy()


def _changes(column: pl.Series) -> NDArray[np.bool_]:
    """Return where a column differs from the row before; the first row does."""
    changed = np.ones(len(column), np.bool_)
    changed[1:] = column[1:].ne_missing(column[:-1]).to_numpy()
    return changed


def _codes(channel: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """Return the sorted names of channels, and the code of each row's; -1 is none."""
    channel = channel.cast(pl.String)
    names = channel.drop_nulls().unique().sort().to_list()
    kind = pl.Enum(names)
    codes = channel.cast(kind).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    return names, codes


def _cells(column: NDArray[np.float32], cells: NDArray[np.int64]) -> NDArray[np.float32]:
    taken = column[cells]
    taken[(cells < 0) | ~np.isfinite(taken)] = np.nan
    return taken


def _pre_equalization(table: pl.DataFrame, cells: NDArray[np.int64]) -> PreEqualization | None:
    if "pre_equalization" not in table.columns:
        return None
    poll, channel = np.nonzero(cells >= 0)
    data = table["pre_equalization"].gather(cells[poll, channel])
    told = (data.is_not_null() & (data.bin.size() > 0)).to_numpy()
    return PreEqualization(poll[told], channel[told], tuple(data.filter(told).to_list()))


def _merged_pre_equalization(
    parts: Sequence[NodePolls],
    starts: NDArray[np.int64],
    columns: Sequence[Sequence[int]],
    order: NDArray[np.int64],
) -> PreEqualization | None:
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    poll: list[NDArray[np.int64]] = []
    channel: list[NDArray[np.int64]] = []
    data: list[bytes] = []
    for part, start, column in zip(parts, starts.tolist(), columns, strict=False):
        sent = part.pre_equalization
        if sent is not None:
            poll.append(place[sent.poll + start])
            channel.append(np.array(column, np.int64)[sent.channel])
            data.extend(sent.data)
    if not poll:
        return None
    polls, channels = np.concatenate(poll), np.concatenate(channel)
    by_poll = np.lexsort((channels, polls))
    return PreEqualization(polls[by_poll], channels[by_poll], tuple(data[i] for i in by_poll))
