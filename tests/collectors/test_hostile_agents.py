"""Agents that answer wrongly, on purpose or not: a round ends all the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import polars as pl
import pytest

from faultsight.collectors.snmp import PollingConfig, SnmpCollector
from faultsight.core.errors import InputError
from faultsight.core.telemetry import TelemetryFolder
from faultsight.sim import modem_agent
from faultsight.sim.modem_agent import AgentConfig, ModemAgent, modem_address, modem_mac

Collect = Callable[..., SnmpCollector]
RowsOf = Callable[[TelemetryFolder], pl.DataFrame]
Spoil = Callable[[bytes, str], bytes]

QUICK = PollingConfig(
    requests_per_s=1e6, walk_requests_per_s=1e6, concurrency=50, timeout_s=0.2, max_repetitions=40
)
POWER = bytes.fromhex("060f2b06010401a30b02011401020101") + b"\x50"
"""The encoded object id of the transmit power of the first channel."""


class HostileAgent(ModemAgent):
    """Spoils the answers of modems, or of the CMTS."""

    spoil: Spoil = staticmethod(lambda answer, _address: answer)
    of_cmts = False

    def answer(self, datagram: bytes, address: str) -> bytes | None:
        told = super().answer(datagram, address)
        is_cmts = address == self.config.cmts_address
        return self.spoil(told, address) if told is not None and is_cmts == self.of_cmts else told


@contextmanager
def hostile(spoil: Spoil, n_modems: int = 40, *, of_cmts: bool = False) -> Iterator[HostileAgent]:
    agent = HostileAgent(AgentConfig(n_modems=n_modems))
    agent.spoil = spoil
    agent.of_cmts = of_cmts
    with agent:
        yield agent


DICE = random.Random(1)


def flipped(answer: bytes, _address: str) -> bytes:
    damaged = bytearray(answer)
    for _ in range(DICE.randint(1, 4)):
        damaged[DICE.randrange(len(damaged))] = DICE.randrange(256)
    return bytes(damaged)


def cut(answer: bytes, _address: str) -> bytes:
    return answer[: DICE.randrange(len(answer))]


def noise(_answer: bytes, _address: str) -> bytes:
    return DICE.randbytes(DICE.randrange(300))


def too_big(answer: bytes, _address: str) -> bytes:
    """Return an answer with the error status tooBig and without objects."""
    return with_bindings(answer, b"", status=1)


def with_bindings(answer: bytes, bindings: bytes, *, status: int = 0) -> bytes:
    """Return an answer to the same request with other bindings."""
    pdu = answer[answer.index(b"\xa2") :]
    _, start, _ = modem_agent._header(pdu, 0)
    _, begin, end = modem_agent._header(pdu, start)
    request_id = modem_agent._tlv(2, pdu[begin:end])
    body = request_id + bytes((2, 1, status, 2, 1, 0)) + modem_agent._tlv(0x30, bindings)
    told = b"\x02\x01\x01\x04\x06public" + modem_agent._tlv(0xA2, body)
    return modem_agent._tlv(0x30, told)


@pytest.mark.parametrize("spoil", [flipped, cut, noise, too_big, lambda _answer, _address: b""])
def test_no_answer_of_a_modem_ends_a_round(
    spoil: Spoil, collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    with hostile(spoil) as agent:
        done = collector_of(agent.port, polling=QUICK).collect(sink)
    assert done.polled == 40
    rows = rows_of(sink)
    assert rows["device_id"].n_unique() == 40
    # Whatever came, what is written is in range or not there.
    assert rows["tx_power_dbmv"].drop_nulls().is_between(17, 61).all()
    # What the CMTS says is in order, and stays so.
    assert rows.filter(pl.col("channel").is_in(["1", "2", "3"]))["snr_db"].is_not_null().all()
    if spoil is not flipped:
        assert done.answered == 0
        assert {one.reason for one in done.set_aside} == {"the answer cannot be read"}


@pytest.mark.parametrize("spoil", [flipped, cut, noise])
def test_no_answer_of_a_cmts_does_more_than_end_its_walk(
    spoil: Spoil, collector_of: Collect, sink: TelemetryFolder
) -> None:
    with hostile(spoil, of_cmts=True) as agent:
        collector = collector_of(agent.port, polling=QUICK)
        for _ in range(3):
            with suppress(InputError):
                collector.collect(sink)


def test_a_value_of_a_wrong_type_is_set_aside(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    def as_text(answer: bytes, address: str) -> bytes:
        at = answer.find(POWER) if address == modem_address(2) else -1
        if at < 0:
            return answer
        place = at + len(POWER)
        return answer[:place] + b"\x04" + answer[place + 1 :]  # OCTET STRING instead of INTEGER

    with hostile(as_text) as agent:
        done = collector_of(agent.port, polling=QUICK).collect(sink)
    (wrong,) = done.set_aside
    device = modem_mac(2).hex(":")
    assert (wrong.column, wrong.count, wrong.example) == ("tx_power_dbmv", 1, f"bytes of {device}")
    rows = rows_of(sink)
    empty = rows.filter(pl.col("tx_power_dbmv").is_null())
    assert empty.select("device_id", "channel", "answered").rows() == [(device, "1", True)]


def test_a_power_that_no_modem_has_is_set_aside(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    def shouting(answer: bytes, address: str) -> bytes:
        at = answer.find(POWER) if address == modem_address(5) else -1
        if at < 0:
            return answer
        place = at + len(POWER)
        return answer[:place] + b"\x02\x02\x7f\xff" + answer[place + 4 :]

    with hostile(shouting) as agent:
        done = collector_of(agent.port, polling=QUICK).collect(sink)
    (loud,) = done.set_aside
    assert (loud.reason, loud.count) == ("outside 17 to 61", 1)
    assert loud.example == f"3276.7 of {modem_mac(5).hex(':')}"
    assert rows_of(sink)["tx_power_dbmv"].null_count() == 1


def test_a_huge_string_is_not_kept(
    collector_of: Collect, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    class Verbose(ModemAgent):
        def answer(self, datagram: bytes, address: str) -> bytes | None:
            told = super().answer(datagram, address)
            taps = modem_agent._tlv(4, modem_agent._EQ_DATA)[:46]
            if told is None or address != modem_address(1) or taps not in told:
                return told
            # The first channel's coefficients become 3,000 bytes.
            at = told.index(taps)
            binding = told[at - 18 : at] + modem_agent._tlv(4, b"x" * 3000)
            return with_bindings(told, modem_agent._tlv(0x30, binding))

    with Verbose(AgentConfig(n_modems=5)) as agent:
        done = collector_of(agent.port, polling=QUICK).collect(sink)
    assert done.polled == 5
    for data in rows_of(sink)["pre_equalization"].drop_nulls():
        assert len(data) <= 260
    assert all(len(one.example) <= 80 for one in done.set_aside)


def test_an_agent_that_sends_what_nobody_asked_for_is_not_listened_to_for_ever(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    """What comes has another request id."""

    class Chatty(ModemAgent):
        def answer(self, datagram: bytes, address: str) -> bytes | None:
            told = super().answer(datagram, address)
            if told is None or address != modem_address(0):
                return told
            at = told.index(b"\xa2")
            _, start, _ = modem_agent._header(told, at)
            return told[: start + 2] + b"\x01" + told[start + 3 :]

    with Chatty(AgentConfig(n_modems=3)) as agent:
        start = time.monotonic()
        done = collector_of(agent.port, polling=QUICK).collect(sink)
        assert time.monotonic() - start < 5
    assert (done.polled, done.answered) == (3, 2)


def test_a_walk_that_never_moves_on_is_given_up(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    class Stuck(ModemAgent):
        def _walk(self, table: object, request: object, secret: bytes) -> bytes:
            # Whatever is asked for, the answer is the MAC address of modem 1.
            name = modem_agent._content(modem_agent._oid("1.3.6.1.4.1.4491.2.1.20.1.3.1.2.1"))
            value = modem_agent._tlv(4, modem_mac(0))
            return modem_agent._tlv(0x30, modem_agent._tlv(6, name) + value)

    with Stuck(AgentConfig(n_modems=2)) as agent:
        start = time.monotonic()
        with pytest.raises(InputError, match="the same rows come again and again"):
            collector_of(agent.port, polling=QUICK).collect(sink)
        assert time.monotonic() - start < 5


def test_a_walk_without_end_is_given_up_when_the_round_is_over(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    class Endless(ModemAgent):
        n = 0

        def _walk(self, table: object, request: object, secret: bytes) -> bytes:
            parts = []
            for _ in range(20):
                self.n += 1
                name = modem_agent._oid(f"1.3.6.1.4.1.4491.2.1.20.1.12.1.4.{self.n}")
                value = modem_agent._number(2, 1)
                oid = modem_agent._tlv(6, modem_agent._content(name))
                parts.append(modem_agent._tlv(0x30, oid + value))
            return b"".join(parts)

    with Endless(AgentConfig(n_modems=2)) as agent:
        start = time.monotonic()
        with pytest.raises(InputError, match="the round ended before the walk did"):
            collector_of(agent.port, polling=QUICK, interval_s=1).collect(sink)
        assert time.monotonic() - start < 5


def test_answers_too_large_to_be_read_are_asked_for_in_smaller_pages(
    collector_of: Collect, sink: TelemetryFolder
) -> None:
    class Spendthrift(ModemAgent):
        """Ignores how much a datagram holds, and pads it."""

        def answer(self, datagram: bytes, address: str) -> bytes | None:
            told = super().answer(datagram, address)
            if told is None or address != self.config.cmts_address or len(told) < 700:
                return told
            return told[:600]

    with Spendthrift(AgentConfig(n_modems=30)) as agent:
        done = collector_of(agent.port, polling=QUICK).collect(sink)
    assert (done.polled, done.answered, done.rows) == (30, 30, 90)
