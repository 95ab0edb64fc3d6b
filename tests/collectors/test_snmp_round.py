"""Rounds over SNMP, against an agent that plays a CMTS and all of its modems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from faultsight.collectors import _round_journal
from faultsight.collectors._counters import has_restarted
from faultsight.collectors.snmp import PollingConfig, SnmpCollector
from faultsight.core.errors import FaultSightError, InputError
from faultsight.core.polls import CHANNEL_STATES, COUNTERS, LEVELS
from faultsight.core.telemetry import TelemetryFolder
from faultsight.sim.modem_agent import AgentConfig, ModemAgent, modem_address, modem_mac

Collect = Callable[..., SnmpCollector]
RowsOf = Callable[[TelemetryFolder], pl.DataFrame]

FAST = PollingConfig(
    requests_per_s=1e6, walk_requests_per_s=1e6, concurrency=100, timeout_s=1.0, max_repetitions=40
)
QUICK = replace(FAST, timeout_s=0.2)


def mac(number: int) -> str:
    return modem_mac(number).hex(":")


class Witness(ModemAgent):
    """An agent that remembers in which order modems were asked."""

    def __init__(self, config: AgentConfig) -> None:
        super().__init__(config)
        self.asked: list[str] = []

    def answer(self, datagram: bytes, address: str) -> bytes | None:
        if address != self.config.cmts_address and address not in self.asked[-1:]:
            self.asked.append(address)
        return super().answer(datagram, address)


def test_a_round_of_thousands_of_modems_loses_none(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    with ModemAgent(AgentConfig(n_modems=2000)) as agent:
        done = collector_of(agent.port).collect(sink)
    assert (done.polled, done.answered, done.retried, done.set_aside) == (2000, 2000, 0, ())
    assert done.rows == 6000
    nodes = list(sink.nodes(metrics=LEVELS, with_pre_equalization=True))
    assert sink.fnodes == sorted(f"FN{i}" for i in range(1, 9))
    assert sum(node.n_devices for node in nodes) == 2000
    for node in nodes:
        assert node.channels == ("1", "2", "3")
        assert node.answered is not None
        assert node.answered.all()
        assert node.round_id is not None
        assert set(node.round_id) == {done.round_id}
        for metric in LEVELS:
            assert np.isfinite(node.values[metric]).all()
        assert node.pre_equalization is not None
        assert {len(data) for data in node.pre_equalization.data} == {100}


def test_rows_hold_the_times_of_the_modem_and_the_summary_that_of_the_walk(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with ModemAgent(AgentConfig(n_modems=40)) as agent:
        done = collector_of(agent.port).collect(sink)
    rows = rows_of(sink)
    took = rows["timestamp"] - rows["requested_at"]
    assert took.min() >= pl.Series([0]).cast(pl.Duration("ms"))[0]
    (cmts,) = done.details["cmts"]
    stamps = rows["timestamp"].dt.epoch("ms") / 1000
    assert (stamps >= cmts["walked_at"] - 0.001).all()
    assert cmts["walk_seconds"] > 0
    assert done.round_id == int(cmts["walked_at"]) // 600
    # All channels of a poll share its stamp; modems were asked one after the other.
    assert (rows.group_by("device_id").agg(pl.col("timestamp").n_unique())["timestamp"] == 1).all()


def test_modems_are_asked_in_a_random_order_that_depends_on_the_seed_alone(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    orders = []
    for seed in (1, 1, 2):
        with Witness(AgentConfig(n_modems=60)) as agent:
            one_at_a_time = replace(FAST, concurrency=1)
            collector_of(agent.port, seed=seed, polling=one_at_a_time, interval_s=86_400).collect(
                sink
            )
            orders.append(agent.asked)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    listed = [modem_address(number) for number in range(60)]
    assert orders[0] != listed
    assert sorted(orders[0]) == sorted(listed)


def test_a_modem_that_does_not_answer_has_a_row_that_says_so(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with ModemAgent(AgentConfig(n_modems=30)) as agent:
        agent.silent = {modem_address(number) for number in (3, 7)}
        done = collector_of(agent.port, polling=QUICK).collect(sink)
    assert (done.polled, done.answered, done.unanswered, done.retried) == (30, 28, 2, 2)
    rows = rows_of(sink)
    silent = rows.filter(~pl.col("answered"))
    assert set(silent["device_id"]) == {mac(3), mac(7)}
    # What the CMTS measured of them is kept; what only the modem knows is not made up.
    assert silent["snr_db"].is_not_null().all()
    assert silent["tx_power_dbmv"].is_null().all()
    assert silent["pre_equalization"].is_null().all()
    assert (silent["timestamp"] == silent["requested_at"]).all()
    for node in sink.nodes():
        assert node.answered is not None
        assert int((~node.answered).sum()) == 2


def test_lost_requests_are_asked_again_once_and_then_told(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    polling = replace(QUICK, timeout_s=0.1)
    with ModemAgent(AgentConfig(n_modems=300, drop=0.2)) as agent:
        done = collector_of(agent.port, polling=polling).collect(sink)
    rows = rows_of(sink)
    told = rows.group_by("device_id").agg(pl.col("answered").first())
    assert told.height == 300
    assert int(told["answered"].sum()) == done.answered
    # Two requests are needed the first time, and one may be repeated.
    assert 30 < done.retried < 170
    assert 0 < done.unanswered < 90
    assert done.details["cmts"][0]["modem_requests"] <= 300 * 4


def test_without_retries_each_loss_is_an_unanswered_poll(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    polling = replace(QUICK, timeout_s=0.1, retries=0)
    with ModemAgent(AgentConfig(n_modems=200)) as agent:
        collector_of(agent.port).collect(sink)
        agent.config = replace(agent.config, drop=0.3)
        done = collector_of(agent.port, polling=polling).collect(sink)
        assert done.unanswered == agent.n_dropped
    assert done.retried == 0
    assert 30 < done.unanswered < 90


class TestCounters:
    """Totals of one round and the next become deltas."""

    def test_the_first_round_has_none_and_the_second_has_the_difference(
        self, collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
    ) -> None:
        with ModemAgent(AgentConfig(n_modems=50)) as agent:
            collector_of(agent.port).collect(sink)
            first = rows_of(sink)
            agent.round = 1
            # Another process would begin like this: nothing is kept but the files.
            collector_of(agent.port).collect(sink)
        assert all(first[counter].is_null().all() for counter in COUNTERS)
        second = rows_of(sink)[first.height :]
        for counter in COUNTERS:
            assert second[counter].is_not_null().all(), counter
            assert (second[counter] >= 0).all()
        # The agent's unerrored codewords grow by a million and a bit; some totals have wrapped.
        assert second["codewords_unerrored"].is_between(1e6, 1e6 + 256).all()
        assert set(second["t3_timeouts"].unique()) <= {0.0, 1.0, 2.0, 3.0}
        assert second["t3_timeouts"].max() == 3.0

    def test_totals_that_went_over_their_end_are_right(
        self, collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
    ) -> None:
        state = collector_of(1)._journal
        with ModemAgent(AgentConfig(n_modems=50)) as agent:
            collector_of(agent.port).collect(sink)
            before = state.state()["codewords_unerrored_total"]
            agent.round = 16
            collector_of(agent.port).collect(sink)
            after = state.state()["codewords_unerrored_total"]
        wrapped = after < before
        assert 0 < wrapped.sum() < len(wrapped)
        rows = rows_of(sink)[150:]
        assert rows["codewords_unerrored"].is_between(16e6, 16e6 + 16 * 256).all()

    def test_a_restarted_modem_has_none_for_one_round(
        self, collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
    ) -> None:
        with ModemAgent(AgentConfig(n_modems=6)) as agent:
            collector_of(agent.port).collect(sink)
            agent.round = 1
            agent.booted = {modem_address(2): 1}
            collector_of(agent.port).collect(sink)
            agent.round = 2
            collector_of(agent.port).collect(sink)
        second, third = rows_of(sink)[18:36], rows_of(sink)[36:]
        fallen = second.filter(pl.col("device_id") == mac(2))
        assert all(fallen[counter].is_null().all() for counter in COUNTERS)
        assert fallen["tx_power_dbmv"].is_not_null().all()
        others = second.filter(pl.col("device_id") != mac(2))
        assert all(others[counter].is_not_null().all() for counter in COUNTERS)
        assert all(third[counter].is_not_null().all() for counter in COUNTERS)

    def test_after_a_gap_a_delta_is_that_of_the_whole_gap(
        self, collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
    ) -> None:
        with ModemAgent(AgentConfig(n_modems=5)) as agent:
            for number, is_silent in enumerate((False, True, False)):
                agent.round = number
                agent.silent = {modem_address(1)} if is_silent else set()
                collector_of(agent.port, polling=QUICK).collect(sink)
        rows = rows_of(sink)[30:].sort("device_id", "channel")
        own = rows.filter(pl.col("device_id") == mac(1))["t3_timeouts"].to_list()
        state = collector_of(1)._journal.state().filter(pl.col("device_id") == mac(1))
        rates = [0, 0, 0]
        for place, total in enumerate(state.sort("channel")["t3_timeouts_total"]):
            # The agent's total is a byte plus rounds times that byte modulo 4.
            rates[place] = next(r for r in range(4) if (total - 2 * r) % 4 == r)
        assert own == [2.0 * rate for rate in rates]
        # The CMTS was walked in each round, whether or not the modem answered.
        assert rows["codewords_unerrored"].is_between(1e6, 1e6 + 256).all()

    def test_a_restart_soon_after_the_last_poll_is_seen(self) -> None:
        polls = pl.DataFrame({"u": [14_000.0], "ub": [500.0], "t": [14_400.0], "tb": [0.0]})
        assert polls.select(has_restarted("u", "ub", "t", "tb")).item()


def test_states_of_channels_are_columns_only_where_they_are_asked_for(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    wanted = replace(FAST, channel_states=True)
    with ModemAgent(AgentConfig(n_modems=100)) as agent:
        few = collector_of(agent.port).collect(sink)
        assert not set(CHANNEL_STATES) & set(rows_of(sink).columns)
        for agent.round in (1, 2):
            many = collector_of(agent.port, polling=wanted).collect(sink)
    requests = [done.details["cmts"][0]["modem_requests"] for done in (few, many)]
    assert requests == [200, 100]
    rows = rows_of(sink)
    second, third = rows[300:600], rows[600:]
    # The agent mutes 3 % of channels; 0 of its 40 levels of reflections is no measurement.
    assert 0 < second["is_muted"].sum() < 30
    assert second["is_muted"].is_not_null().all()
    assert set(second["ranging"]) == {"success", "T4 timeout"}
    assert second["micro_reflections_dbc"].drop_nulls().is_between(-39, -1).all()
    assert 0 < second["micro_reflections_dbc"].null_count() < 30
    # They are first counted in the round in which they are first asked for.
    for counter, most in (("ranging_aborts", 1.0), ("t3_exceeded", 2.0)):
        assert second[counter].is_null().all()
        assert third[counter].max() == most
        assert third[counter].min() == 0.0
    assert second["t3_timeouts"].is_not_null().all()
    assert sum(node.n_polls for node in sink.nodes()) == 300


def test_an_offline_modem_is_not_asked_and_is_told_of(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    class WithOffline(Witness):
        def answer(self, datagram: bytes, address: str) -> bytes | None:
            told = super().answer(datagram, address)
            # docsIf3CmtsCmRegStatusValue of modem 5 (index 5) becomes initialRanging.
            entry = bytes.fromhex("060f2b06010401a30b02011401030106") + b"\5\2\1"
            return None if told is None else told.replace(entry + b"\x08", entry + b"\x02")

    with WithOffline(AgentConfig(n_modems=9)) as agent:
        done = collector_of(agent.port).collect(sink)
        assert modem_address(4) not in agent.asked
    assert (done.polled, done.answered, done.details["not_online"]) == (8, 8, 1)
    offline = rows_of(sink).filter(~pl.col("answered"))
    assert offline["device_id"].to_list() == [mac(4)]
    assert offline["channel"].to_list() == [None]
    assert offline["requested_at"].to_list() == [None]
    assert offline["snr_db"].to_list() == [None]


def test_a_modem_that_its_cmts_stops_listing_is_told_of_for_some_days(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with ModemAgent(AgentConfig(n_modems=6)) as agent:
        collector_of(agent.port).collect(sink)
    with ModemAgent(AgentConfig(n_modems=4)) as agent:
        done = collector_of(agent.port).collect(sink)
        assert (done.polled, done.details["not_online"], done.rows) == (4, 2, 14)
        gone = rows_of(sink).filter(~pl.col("answered"))
        assert set(gone["device_id"]) == {mac(4), mac(5)}
        forgetful = replace(FAST, remember_days=0.0)
        assert collector_of(agent.port, polling=forgetful).collect(sink).rows == 12


def test_a_round_that_takes_longer_than_the_interval_ends(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    slow = replace(FAST, requests_per_s=20.0, concurrency=2)
    with ModemAgent(AgentConfig(n_modems=200)) as agent:
        done = collector_of(agent.port, polling=slow, interval_s=1).collect(sink)
    assert 5 < done.polled < 100
    assert done.answered == done.polled
    (late,) = done.set_aside
    assert late.reason.startswith("not asked")
    assert late.count == 200 - done.polled
    # Nobody knows whether they would have answered: they have no row.
    assert rows_of(sink)["device_id"].n_unique() == done.polled


def test_modems_that_are_not_reached_are_not_taken_for_gone(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    slow = replace(FAST, requests_per_s=20.0, concurrency=2)
    with ModemAgent(AgentConfig(n_modems=100)) as agent:
        collector_of(agent.port).collect(sink)
        done = collector_of(agent.port, polling=slow, interval_s=1).collect(sink)
        assert done.details["not_online"] == 0
        assert rows_of(sink)["answered"].all()
        collector_of(agent.port).collect(sink)
    # In the round after, everybody's counters go on.
    assert rows_of(sink)[-300:]["t3_timeouts"].is_not_null().all()


def test_of_two_cmtss_one_that_is_silent_costs_only_its_own_modems(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    with ModemAgent(AgentConfig(n_modems=10)) as agent:
        collector = collector_of(agent.port, polling=QUICK)
        (cmts,) = collector.config.cmts
        dead = replace(cmts, name="dead", address="127.0.0.9")
        agent.silent = {"127.0.0.9"}
        collector.config = replace(collector.config, cmts=(dead, cmts))
        done = collector.collect(sink)
        agent.silent.add("127.0.0.1")
        with pytest.raises(InputError, match="no CMTS could be walked: dead: sysUpTime: no answer"):
            collector.collect(sink)
    assert (done.polled, done.rows) == (10, 30)
    assert done.notes == ("dead could not be walked: sysUpTime: no answer",)


class TestWholeOrNotAtAll:
    """Whatever breaks in the middle, a round is there once or not at all."""

    def test_a_round_half_written_is_finished_at_the_next_start(
        self,
        collector_of: Collect,
        sink: TelemetryFolder,
        rows_of: RowsOf,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with ModemAgent(AgentConfig(n_modems=1000)) as agent:
            written = 0
            write = TelemetryFolder._write

            def fails_after_two(
                self: TelemetryFolder, bucket: int, day: str, part: pl.DataFrame
            ) -> None:
                nonlocal written
                written += 1
                if written > 2:
                    raise OSError(28, "No space left on device")
                write(self, bucket, day, part)

            monkeypatch.setattr(TelemetryFolder, "_write", fails_after_two)
            with pytest.raises(OSError, match="No space"):
                collector_of(agent.port).collect(sink)
            monkeypatch.undo()
            agent.round = 1
            done = collector_of(agent.port).collect(sink)
        nodes = list(TelemetryFolder(sink.path).nodes(metrics=("t3_timeouts",)))
        assert sum(node.n_devices for node in nodes) == 1000
        for node in nodes:
            assert node.n_polls == 2 * node.n_devices  # twice in some files, and once for a reader
        # The state of the first round was kept, too: the second has its deltas.
        assert rows_of(sink)[-done.rows :]["t3_timeouts"].is_not_null().all()

    def test_a_failure_while_polling_leaves_no_trace(
        self, collector_of: Collect, sink: TelemetryFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ModemAgent(AgentConfig(n_modems=5)) as agent:
            collector_of(agent.port).collect(sink)
            before = sorted(sink.path.parent.rglob("*.parquet"))
            state = collector_of(1)._journal.state()

            def interrupted(*_args: object, **_options: object) -> None:
                raise KeyboardInterrupt

            monkeypatch.setattr("faultsight.collectors.snmp.modem_channels", interrupted)
            with pytest.raises(KeyboardInterrupt):
                collector_of(agent.port).collect(sink)
        assert sorted(sink.path.parent.rglob("*.parquet")) == before
        assert collector_of(1)._journal.state().equals(state)

    def test_a_state_that_cannot_be_read_stops_the_collector(
        self, collector_of: Collect, sink: TelemetryFolder
    ) -> None:
        with ModemAgent(AgentConfig(n_modems=2)) as agent:
            collector = collector_of(agent.port)
            collector.collect(sink)
            for content in (b"no parquet", _round_journal._parquet(pl.DataFrame({"a": [1]}))):
                (collector._journal.folder / "state.parquet").write_bytes(content)
                with pytest.raises(InputError, match=r"state\.parquet"):
                    collector_of(agent.port).collect(sink)

    def test_two_collectors_do_not_share_a_folder(
        self, collector_of: Collect, sink: TelemetryFolder
    ) -> None:
        first, second = collector_of(1), collector_of(1)
        with (
            first._journal.alone(),
            pytest.raises(FaultSightError, match="another collector is at work"),
        ):
            second.collect(sink)


def test_rounds_agree_on_channels_that_have_changed(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with ModemAgent(AgentConfig(n_modems=5, n_channels=4)) as agent:
        collector_of(agent.port).collect(sink)
    with ModemAgent(AgentConfig(n_modems=5, n_channels=2)) as agent:
        done = collector_of(agent.port).collect(sink)
        # One GET that shows that two channels have gone, one question which there are, one GET.
        assert done.details["cmts"][0]["modem_requests"] == 15
        again = collector_of(agent.port).collect(sink)
        assert again.details["cmts"][0]["modem_requests"] == 5
    assert (done.rows, again.rows) == (10, 10)
    assert rows_of(sink)[20:]["tx_power_dbmv"].is_not_null().all()


def test_a_channel_that_is_new_is_learned_from_what_the_cmts_hears(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with ModemAgent(AgentConfig(n_modems=5, n_channels=2)) as agent:
        collector_of(agent.port).collect(sink)
    with ModemAgent(AgentConfig(n_modems=5, n_channels=4)) as agent:
        done = collector_of(agent.port).collect(sink)
        assert done.details["cmts"][0]["modem_requests"] == 10
        again = collector_of(agent.port).collect(sink)
        assert again.details["cmts"][0]["modem_requests"] == 5
    assert (done.rows, again.rows) == (20, 20)
    assert rows_of(sink)[10:]["tx_power_dbmv"].is_not_null().all()


def test_a_walk_survives_lost_pages(collector_of: Collect, sink: TelemetryFolder) -> None:
    class Forgetful(ModemAgent):
        n = 0

        def answer(self, datagram: bytes, address: str) -> bytes | None:
            self.n += address == self.config.cmts_address
            told = super().answer(datagram, address)
            return None if self.n % 7 == 0 and address == self.config.cmts_address else told

    with Forgetful(AgentConfig(n_modems=60)) as agent:
        polling = replace(QUICK, timeout_s=0.05)
        done = collector_of(agent.port, polling=polling).collect(sink)
    assert (done.polled, done.rows, done.notes) == (60, 180, ())


def test_a_cmts_that_names_no_fiber_node_is_told_of_and_nothing_is_made_up(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    class Nameless(ModemAgent):
        def answer(self, datagram: bytes, address: str) -> bytes | None:
            told = super().answer(datagram, address)
            group = bytes.fromhex("2b06010401a30b020114010c0104")  # docsIf3MdNodeStatusMdUsSgId
            return None if told is None else told.replace(group, group[:-1] + b"\x09")

    with Nameless(AgentConfig(n_modems=4)) as agent:
        done = collector_of(agent.port).collect(sink)
        assert (done.polled, done.rows, done.files) == (0, 0, 0)
        assert [(one.reason, one.count) for one in done.set_aside] == [
            ("its fiber node is not known", 4)
        ]
        fnodes = {mac(number): "N1" for number in range(3)}
        done = collector_of(agent.port, cmts={"fnodes": fnodes}).collect(sink)
    assert (done.polled, done.rows) == (3, 9)
    assert set(rows_of(sink)["fnode"]) == {"N1"}
