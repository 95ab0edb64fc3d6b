"""Polls: tables in and out, cuts, and what a table may lack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import (
    COUNTERS,
    KEYS,
    LEVELS,
    NodePolls,
    PollTable,
    PreEqualization,
    joined_polls,
    merged_polls,
    node_polls,
)
from faultsight.core.seed import random_stream

START_MS = 1_767_571_200_000


@st.composite
def nodes(draw: st.DrawFn, fnode: str = "F1") -> NodePolls:
    """Draw a fiber node whose modems each have a poll; stamps are whole milliseconds."""
    n_devices, n_channels = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    counts = draw(st.lists(st.integers(1, 5), min_size=n_devices, max_size=n_devices))
    stream = random_stream(draw(st.integers(0, 10**6)), "polls")
    times = [np.sort(stream.choice(50_000_000, count, replace=False)) for count in counts]
    n = sum(counts)
    metrics = draw(st.sets(st.sampled_from((*LEVELS, *COUNTERS)), max_size=3))
    values = {m: stream.normal(30, 9, (n, n_channels)).astype(np.float32) for m in sorted(metrics)}
    for column in values.values():
        column[stream.random(column.shape) < 0.3] = np.nan
    pre_equalization = None
    if draw(st.booleans()):
        poll, channel = np.nonzero(stream.random((n, n_channels)) < 0.5)
        data = tuple(stream.bytes(1 + i % 5) for i in range(len(poll)))
        pre_equalization = PreEqualization(poll, channel, data)
    return NodePolls(
        fnode,
        tuple(sorted(draw(st.sets(st.text("abz:019", min_size=1), min_size=n_devices,
                                  max_size=n_devices)))),
        tuple("123"[:n_channels]),
        np.cumsum([0, *counts]),
        (START_MS + np.concatenate(times)) / 1000,
        values,
        stream.integers(-1, 9, n) if draw(st.booleans()) else None,
        stream.random(n) < 0.7 if draw(st.booleans()) else None,
        pre_equalization,
    )  # fmt: skip


def assert_equal(found: NodePolls, expected: NodePolls) -> None:
    assert (found.fnode, found.device_ids) == (expected.fnode, expected.device_ids)
    assert found.channels == expected.channels
    np.testing.assert_array_equal(found.device_start, expected.device_start)
    np.testing.assert_array_equal(found.time_s, expected.time_s)
    assert set(found.values) == set(expected.values)
    for metric, column in expected.values.items():
        assert found.values[metric].dtype == np.float32
        np.testing.assert_array_equal(found.values[metric], column)
    for name in ("round_id", "answered"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    told, wanted = found.pre_equalization, expected.pre_equalization
    assert (told is None) == (wanted is None)
    if told is not None and wanted is not None:
        assert told.data == wanted.data
        np.testing.assert_array_equal(told.poll, wanted.poll)
        np.testing.assert_array_equal(told.channel, wanted.channel)


def table(**columns: Any) -> pl.DataFrame:
    """Return a table of polls; what is not told has defaults."""
    n = len(next(iter(columns.values())))
    rows: dict[str, Any] = {
        "timestamp": [0.0] * n, "device_id": ["a"] * n, "fnode": ["F1"] * n, "channel": ["1"] * n,
    }  # fmt: skip
    return pl.DataFrame(rows | columns)


class TestRoundTrip:
    @settings(deadline=None, max_examples=150)
    @given(nodes(), st.randoms(use_true_random=False))
    def test_a_node_comes_back_whatever_the_order_of_rows(
        self, polls: NodePolls, random: Any
    ) -> None:
        rows = polls.to_table()
        assert rows.height == polls.n_polls * max(len(polls.channels), 1)
        order = list(range(rows.height))
        random.shuffle(order)
        (found,) = node_polls(rows[order])
        assert_equal(found, polls)

    @settings(deadline=None, max_examples=50)
    @given(nodes("F1"), nodes("F2"))
    def test_several_nodes_at_once(self, first: NodePolls, second: NodePolls) -> None:
        rows = pl.concat([second.to_table(), first.to_table()], how="diagonal")
        found = node_polls(rows)
        assert [node.fnode for node in found] == ["F1", "F2"]
        for node, expected in zip(found, (first, second), strict=True):
            assert (node.device_ids, node.channels) == (expected.device_ids, expected.channels)
            np.testing.assert_array_equal(node.time_s, expected.time_s)
            for metric, column in node.values.items():
                np.testing.assert_array_equal(
                    column, expected.values.get(metric, np.full_like(column, np.nan))
                )

    @settings(deadline=None, max_examples=100)
    @given(nodes(), st.integers(1, 4), st.integers(0, 10**6))
    def test_tables_are_joined_as_if_they_were_one(
        self, polls: NodePolls, n_tables: int, seed: int
    ) -> None:
        rows = polls.to_table()
        table_of_row = random_stream(seed, "tables").integers(0, n_tables, rows.height)
        tables = [rows.filter(pl.Series(table_of_row == i)) for i in range(n_tables)]
        tables = [t.sort(*KEYS, nulls_last=True) for t in tables if t.height]
        (found,) = joined_polls(tables)
        assert_equal(found, polls)

    @settings(deadline=None, max_examples=100)
    @given(nodes(), st.integers(1, 4), st.integers(0, 10**6))
    def test_parts_are_merged_as_if_they_were_one(
        self, polls: NodePolls, n_parts: int, seed: int
    ) -> None:
        part_of_poll = random_stream(seed, "parts").integers(0, n_parts, polls.n_polls)
        n_rows = max(len(polls.channels), 1)
        rows = polls.to_table().with_columns(part=np.repeat(part_of_poll, n_rows))
        parts = [
            joined_polls([part.drop("part").sort(*KEYS, nulls_last=True)])[0]
            for part in rows.partition_by("part")
        ]
        assert_equal(merged_polls(parts), polls)

    def test_of_tables_that_tell_the_same_cell_the_last_counts(self) -> None:
        tables = [table(timestamp=[0.0, 5.0], snr_db=[v, v + 1]) for v in (30.0, 20.0)]
        (found,) = joined_polls([*tables, table(timestamp=[3.0], snr_db=[9.0])])
        assert found.time_s.tolist() == [0.0, 3.0, 5.0]
        assert found.values["snr_db"].ravel().tolist() == [20.0, 9.0, 21.0]

    def test_a_device_without_a_poll_has_no_row(self) -> None:
        polls = NodePolls("F1", ("a", "b"), ("1",), np.array([0, 0, 1]), np.array([5.0]))
        (found,) = node_polls(polls.to_table())
        assert found.device_ids == ("b",)


class TestNodePolls:
    def test_of_rows_of_one_cell_the_last_counts(self) -> None:
        rows = table(timestamp=[9.0, 0.0, 9.0, 9.0], snr_db=[30.0, 31.0, None, 33.0],
                     channel=["1", "1", "1", "2"])  # fmt: skip
        (polls,) = node_polls(rows)
        assert polls.time_s.tolist() == [0.0, 9.0]
        np.testing.assert_array_equal(polls.values["snr_db"], [[31, np.nan], [np.nan, 33]])

    def test_what_a_poll_lacks_is_missing(self) -> None:
        rows = table(timestamp=[0.0, 0.0, 5.0, 7.0], channel=["1", "3", "3", None],
                     tx_power_dbmv=[40.0, 41.0, 42.0, None])  # fmt: skip
        (polls,) = node_polls(rows)
        assert polls.channels == ("1", "3")
        np.testing.assert_array_equal(
            polls.values["tx_power_dbmv"], [[40, 41], [np.nan, 42], [np.nan, np.nan]]
        )

    def test_each_node_has_its_own_channels(self) -> None:
        rows = table(fnode=["F1", "F2", "F2"], channel=["1", "2", "3"], snr_db=[1.0, 2.0, 3.0])
        assert [node.channels for node in node_polls(rows)] == [("1",), ("2", "3")]

    def test_a_node_where_nobody_answered_has_no_channel(self) -> None:
        rows = table(timestamp=[0.0, 5.0], answered=[False, False]).with_columns(
            channel=pl.lit(None, pl.String)
        )
        (polls,) = node_polls(rows)
        assert (polls.channels, polls.n_polls) == ((), 2)
        assert polls.answered is not None
        assert not polls.answered.any()

    @pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), None])
    def test_what_is_not_finite_is_missing(self, value: float | None) -> None:
        (polls,) = node_polls(table(timestamp=[0.0, 1.0], snr_db=[value, 35.5]))
        np.testing.assert_array_equal(polls.values["snr_db"], [[np.nan], [35.5]])

    def test_names_are_texts_in_the_order_of_texts(self) -> None:
        rows = table(device_id=[10, 9, 2], fnode=[100, 100, 20], snr_db=[10.0, 9.0, 2.0])
        two, hundred = sorted(node_polls(rows), key=lambda node: len(node.device_ids))
        assert (two.fnode, two.device_ids) == ("20", ("2",))
        assert (hundred.fnode, hundred.device_ids) == ("100", ("10", "9"))
        assert hundred.values["snr_db"].ravel().tolist() == [10.0, 9.0]

    @pytest.mark.parametrize("unit", ["ms", "us", "ns"])
    def test_stamps_are_times_or_epoch_seconds(self, unit: Any) -> None:
        moments = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=s) for s in (0.25, 7)]
        expected = [moment.timestamp() for moment in moments]
        aware = pl.Series(moments).cast(pl.Datetime(unit, "UTC"))
        for stamps in (aware, aware.dt.replace_time_zone(None), pl.Series(expected)):
            (polls,) = node_polls(table(timestamp=stamps, snr_db=[1.0, 2.0]))
            assert polls.time_s.tolist() == expected

    def test_unknown_rounds_and_answers_have_defaults(self) -> None:
        rows = table(timestamp=[0.0, 1.0], round_id=[None, 4], answered=[None, False])
        (polls,) = node_polls(rows)
        assert polls.round_id is not None
        assert polls.answered is not None
        assert (polls.round_id.tolist(), polls.answered.tolist()) == ([-1, 4], [True, False])

    @pytest.mark.parametrize("column", KEYS)
    def test_a_key_that_is_missing_is_named(self, column: str) -> None:
        with pytest.raises(MissingColumnError, match=column):
            node_polls(table(snr_db=[1.0]).drop(column))

    def test_no_row_is_no_node(self) -> None:
        assert node_polls(table(snr_db=[1.0]).clear()) == []

    def test_shapes_that_do_not_fit_are_refused(self) -> None:
        start, time_s = np.array([0, 1]), np.array([0.0])
        with pytest.raises(InputError, match="F1: 2 devices need 3 starts"):
            NodePolls("F1", ("a", "b"), ("1",), start, time_s)
        with pytest.raises(InputError, match=r"F1: snr_db has shape \(1, 2\), not \(1, 1\)"):
            NodePolls("F1", ("a",), ("1",), start, time_s, {"snr_db": np.zeros((1, 2), np.float32)})


class TestTake:
    @settings(deadline=None, max_examples=100)
    @given(nodes(), st.integers(0, 10**6))
    def test_against_a_plain_loop(self, polls: NodePolls, seed: int) -> None:
        keep = random_stream(seed, "keep").random(polls.n_polls) < 0.5
        found = polls.take(keep)
        kept = np.flatnonzero(keep)
        assert found.device_ids == polls.device_ids
        assert found.device_of_poll.tolist() == [polls.device_of_poll[i] for i in kept]
        assert found.time_s.tolist() == [polls.time_s[i] for i in kept]
        for metric, column in polls.values.items():
            np.testing.assert_array_equal(found.values[metric], column[kept])
        told = polls.pre_equalization
        if told is None:
            assert found.pre_equalization is None
            return
        assert found.pre_equalization is not None
        expected = [
            (int(np.sum(keep[:p])), int(c), d)
            for p, c, d in zip(told.poll, told.channel, told.data, strict=True)
            if keep[p]
        ]
        again = found.pre_equalization
        assert expected == list(
            zip(again.poll.tolist(), again.channel.tolist(), again.data, strict=True)
        )

    def test_a_window_is_half_open_and_every_device_stays(self) -> None:
        polls = NodePolls("F", ("a", "b"), (), np.array([0, 3, 4]), np.array([5.0, 10, 20, 20]))
        found = polls.in_window(TimeWindow(5, 20))
        assert (found.device_ids, found.time_s.tolist()) == (("a", "b"), [5.0, 10.0])
        assert found.device_start.tolist() == [0, 2, 2]
        assert polls.in_window(TimeWindow(0, 21)) is polls


class TestPollTable:
    @pytest.fixture
    def polls(self) -> PollTable:
        def node(fnode: str, times: list[float]) -> NodePolls:
            values: dict[str, NDArray[np.float32]] = {
                metric: np.full((len(times), 1), 7, np.float32)
                for metric in ("snr_db", "t3_timeouts")
            }
            sent = PreEqualization(np.array([0]), np.array([0]), (b"x",))
            start = np.array([0, len(times)])
            return NodePolls(
                fnode, ("a",), ("1",), start, np.array(times), values, pre_equalization=sent
            )

        return PollTable([node("F2", [50.0, 90.5]), node("F1", [10.0, 20.0])])

    def test_nodes_come_in_order_of_their_names(self, polls: PollTable) -> None:
        assert polls.fnodes == ["F1", "F2"] == [node.fnode for node in polls.nodes()]
        assert polls.window == TimeWindow(10, 91)

    def test_only_what_is_asked_for(self, polls: PollTable) -> None:
        assert [n.fnode for n in polls.nodes(TimeWindow(0, 50))] == ["F1"]
        assert [n.fnode for n in polls.nodes(fnodes=["F2", "F9"])] == ["F2"]
        assert all(list(n.values) == ["snr_db"] for n in polls.nodes())
        assert all(n.pre_equalization is None for n in polls.nodes())
        (node,) = polls.nodes(
            TimeWindow(0, 15), metrics=("t3_timeouts", "rx_power_dbmv"), with_pre_equalization=True
        )
        assert list(node.values) == ["t3_timeouts"]
        assert node.pre_equalization is not None
        assert (node.n_polls, node.pre_equalization.data) == (1, (b"x",))

    def test_no_poll_at_all(self) -> None:
        empty = PollTable([NodePolls("F", ("a",), (), np.array([0, 0]), np.zeros(0))])
        for telemetry in (PollTable([]), empty):
            assert telemetry.window == TimeWindow(0, 0)
            assert list(telemetry.nodes()) == []
