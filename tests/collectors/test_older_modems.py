"""Modems of DOCSIS 1.x and 2.0, beside and instead of newer ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import polars as pl
import pytest

from faultsight.collectors import _round_journal
from faultsight.collectors._round_table import ADDED_LATER
from faultsight.collectors.snmp import PollingConfig, SnmpCollector
from faultsight.core.polls import COUNTERS
from faultsight.core.telemetry import TelemetryFolder
from faultsight.sim import modem_agent
from faultsight.sim.modem_agent import AgentConfig, ModemAgent, modem_mac

Collect = Callable[..., SnmpCollector]
RowsOf = Callable[[TelemetryFolder], pl.DataFrame]

FAST = PollingConfig(
    requests_per_s=1e6, walk_requests_per_s=1e6, concurrency=100, timeout_s=1.0, max_repetitions=40
)
QUICK = replace(FAST, timeout_s=0.2)

IF = "1.3.6.1.2.1.10.127.1"
US_STATUS = modem_agent._oid("1.3.6.1.4.1.4491.2.1.20.1.4.1")
OLDER_TABLE = bytes.fromhex("2b060102010a7f010303")  # docsIfCmtsCmStatusTable
OLDER_OF_MODEM = bytes.fromhex("2b060102010a7f010202")  # docsIfCmStatusTable
COUNTER64 = 0x46
TOTAL = 3 * 2**32 - 1
"""Of unerrored codewords in round 0: beyond what 32 bits hold."""


def mac(number: int) -> str:
    return modem_mac(number).hex(":")


class OlderPlant(ModemAgent):
    """An agent whose last modems are of DOCSIS 2.0, on channel 1; remembers what it was asked."""

    channel_ids: tuple[int, ...] = (1,)

    def __init__(self, config: AgentConfig, n_newer: int) -> None:
        super().__init__(config)
        self.n_newer = n_newer
        self.asked_cmts: list[bytes] = []
        self.asked_modems: list[tuple[str, bytes]] = []
        self._newer = self._modem
        self.renew()

    def renew(self) -> None:
        """Make the tables: newer modems have rows of DOCSIS 3, all are in the older table."""
        n = self.config.n_modems
        number, value = modem_agent._number, modem_agent._tlv

        def of(modem: int) -> int:
            return n - 1 - modem  # under other numbers than in the registry

        older = {
            2: lambda m, _c, _r: value(4, modem_mac(of(m))),
            5: lambda _m, _c, _r: number(2, modem_agent._CMTS_CHANNEL),
            6: lambda m, _c, _r: number(2, of(m) - 50),
            13: lambda m, _c, _r: number(2, 300 + of(m)),
            14: lambda _m, _c, _r: number(2, 26),
            15: lambda m, _c, r: number(COUNTER64, TOTAL + r * (2**31 + of(m))),
            16: lambda _m, _c, r: number(COUNTER64, 5 + 3 * r),
            17: lambda _m, _c, r: number(COUNTER64, 7 + r),
        }
        sections = modem_agent._cmts_objects(self.config, self._started)
        kept = [one for one in sections if one.oid(0)[:-3] != US_STATUS]
        if self.n_newer:
            fewer = replace(self.config, n_modems=self.n_newer)
            newer = modem_agent._cmts_objects(fewer, self._started)
            kept += [one for one in newer if one.oid(0)[:-3] == US_STATUS]
        kept += [modem_agent._Column(f"{IF}.3.3.1.{c}", n, v) for c, v in older.items()]
        self._cmts = modem_agent._Table(kept)
        ids = enumerate(self.channel_ids, start=4)
        self._older = modem_agent._Table([modem_agent._Listed({
            "1.3.6.1.2.1.1.3.0": modem_agent._uptime(self._started),
            **{f"{IF}.1.2.1.1.{i}": modem_agent._always(number(2, told)) for i, told in ids},
            f"{IF}.2.2.1.3.2": modem_agent._always(number(2, 452)),
            f"{IF}.2.2.1.12.2": lambda s: number(0x41, 4 + 2 * modem_agent._round_of(s)),
            f"{IF}.2.2.1.13.2": lambda s: number(0x41, 9 + modem_agent._round_of(s)),
            f"{IF}.2.2.1.14.2": lambda s: number(0x41, 5 * modem_agent._round_of(s)),
            f"{IF}.2.2.1.17.2": modem_agent._taps(9),
        })])  # fmt: skip

    def answer(self, datagram: bytes, address: str) -> bytes | None:
        if address == self.config.cmts_address:
            self.asked_cmts.append(datagram)
        else:
            self.asked_modems.append((address, datagram))
        place = int(IPv4Address(address)) - modem_agent._FIRST_MODEM
        self._plans.clear()  # of whichever modem was asked before
        self._modem = self._older if place >= self.n_newer else self._newer
        return super().answer(datagram, address)


def test_older_modems_are_read_beside_newer_ones(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with OlderPlant(AgentConfig(n_modems=30), n_newer=10) as agent:
        done = collector_of(agent.port).collect(sink)
        first = done.details["cmts"][0]
        agent.round = 1
        again = collector_of(agent.port).collect(sink)
    assert (done.polled, done.answered, done.rows, done.set_aside) == (30, 30, 50, ())
    # Channels, GET, MAC layer, GET; of the newer ones channels and GET. Then all is known.
    assert first["modem_requests"] == 20 * 4 + 10 * 2
    assert again.details["cmts"][0]["modem_requests"] == 30
    rows = rows_of(sink)
    older = rows[:50].filter(pl.col("device_id") >= mac(10)).sort("device_id")
    assert older["device_id"].to_list() == [mac(number) for number in range(10, 30)]
    assert set(older["channel"]) == {"1"}
    assert older["snr_db"].to_list() == pytest.approx([30 + n / 10 for n in range(10, 30)])
    assert older["rx_power_dbmv"].to_list() == pytest.approx([(n - 50) / 10 for n in range(10, 30)])
    assert older["tx_power_dbmv"].to_list() == pytest.approx([45.2] * 20)
    assert {len(data) for data in older["pre_equalization"]} == {100}
    assert all(older[counter].is_null().all() for counter in COUNTERS)
    newer = rows[:50].filter(pl.col("device_id") < mac(10))
    assert newer.height == 30
    assert newer["snr_db"].is_between(34, 39).all()
    # Counters of 64 bits: a step that no counter of 32 could be believed to have made.
    second = rows[50:].filter(pl.col("device_id") >= mac(10)).sort("device_id")
    expected = [float(2**31 + n) for n in range(10, 30)]
    assert second["codewords_unerrored"].to_list() == pytest.approx(expected)
    for counter, step in (("corrected", 3.0), ("uncorrectable", 1.0)):
        assert set(second[f"codewords_{counter}"]) == {step}
    assert set(second["t3_timeouts"]) == {2.0}
    assert set(second["t4_timeouts"]) == {1.0}
    assert rows[50:].filter(pl.col("device_id") < mac(10))["t3_timeouts"].is_not_null().all()


def test_of_states_they_have_what_the_older_tables_have(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    wanted = replace(FAST, channel_states=True)
    with OlderPlant(AgentConfig(n_modems=4), n_newer=2) as agent:
        for agent.round in (0, 1):
            done = collector_of(agent.port, polling=wanted).collect(sink)
    assert (done.answered, done.set_aside) == (4, ())
    older = rows_of(sink)[8:].filter(pl.col("device_id") >= mac(2))
    assert older["micro_reflections_dbc"].to_list() == [-26.0, -26.0]
    assert older["ranging_aborts"].to_list() == [5.0, 5.0]
    for column in ("is_muted", "ranging", "t3_exceeded"):
        assert older[column].to_list() == [None, None]


def test_where_all_are_newer_nothing_more_is_asked(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    with OlderPlant(AgentConfig(n_modems=30), n_newer=30) as agent:
        collector_of(agent.port).collect(sink)
        assert agent.asked_cmts
        assert not any(OLDER_TABLE in datagram for datagram in agent.asked_cmts)
        assert not any(OLDER_OF_MODEM in datagram for _, datagram in agent.asked_modems)


def test_only_the_rows_of_older_modems_are_read(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    with OlderPlant(AgentConfig(n_modems=90), n_newer=88) as agent:
        collector_of(agent.port).collect(sink)
        asked = [datagram for datagram in agent.asked_cmts if OLDER_TABLE in datagram]
    # A walk of 90 addresses, 40 at a time, and one GET.
    assert len(asked) == 4
    assert [datagram.count(OLDER_TABLE) for datagram in asked] == [1, 1, 1, 12]


def test_rows_that_are_too_many_at_once_are_read_one_by_one(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    class Small(OlderPlant):
        def answer(self, datagram: bytes, address: str) -> bytes | None:
            told = super().answer(datagram, address)
            if told is None or datagram.count(OLDER_TABLE) <= 6:
                return told
            request = modem_agent._Request.parse(datagram, self._community)
            assert request is not None
            return request.reply(b"", self._community)

    with Small(AgentConfig(n_modems=9), n_newer=2) as agent:
        done = collector_of(agent.port).collect(sink)
    assert (done.answered, done.notes) == (9, ())
    assert rows_of(sink)["snr_db"].is_not_null().all()


def test_a_cmts_that_does_not_answer_for_them_costs_their_snr_alone(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    class Silent(OlderPlant):
        def answer(self, datagram: bytes, address: str) -> bytes | None:
            told = super().answer(datagram, address)
            return None if OLDER_TABLE in datagram else told

    with Silent(AgentConfig(n_modems=9), n_newer=4) as agent:
        done = collector_of(agent.port, polling=QUICK).collect(sink)
    assert done.notes == (
        "modems of DOCSIS 1.x and 2.0 could not be looked up at lab: "
        "docsIfCmtsCmStatusMacAddress: no answer",
    )
    rows = rows_of(sink)
    assert rows["tx_power_dbmv"].is_not_null().all()
    assert rows.filter(pl.col("snr_db").is_null())["device_id"].n_unique() == 5


def test_a_modem_that_moves_to_the_newer_table_has_no_codewords_for_one_round(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with OlderPlant(AgentConfig(n_modems=2, n_channels=1), n_newer=1) as agent:
        for number, n_newer in enumerate((1, 2, 2)):
            agent.n_newer, agent.round = n_newer, number
            agent.renew()
            collector_of(agent.port).collect(sink)
    rows = rows_of(sink).filter(pl.col("device_id") == mac(1))
    assert rows["codewords_unerrored"].is_null().to_list() == [True, True, False]
    assert rows["t3_timeouts"].is_null().to_list() == [True, True, False]
    assert rows["snr_db"].is_not_null().all()


def test_of_several_channels_nobody_knows_which_one_is_meant(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    class Confused(OlderPlant):
        channel_ids = (1, 2)

    with Confused(AgentConfig(n_modems=3), n_newer=0) as agent:
        done = collector_of(agent.port).collect(sink)
    rows = rows_of(sink)
    assert (done.answered, rows.height) == (3, 6)
    assert rows["tx_power_dbmv"].is_null().all()
    assert rows.filter(pl.col("channel") == "1")["snr_db"].is_not_null().all()


def test_a_state_of_an_earlier_version_is_read_on(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with ModemAgent(AgentConfig(n_modems=20)) as agent:
        collector = collector_of(agent.port)
        collector.collect(sink)
        earlier = collector._journal.state().drop(*ADDED_LATER)
        file = collector._journal.folder / "state.parquet"
        file.write_bytes(_round_journal._parquet(earlier))
        agent.round = 1
        done = collector_of(agent.port).collect(sink)
    second = rows_of(sink)[60:]
    assert done.rows == 60
    assert all(second[counter].is_not_null().all() for counter in COUNTERS)
