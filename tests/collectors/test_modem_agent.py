"""The agent that plays a CMTS and its modems."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.collectors._many_sockets import run_all
from faultsight.collectors._snmp_session import Session, opener, place_after
from faultsight.collectors.snmp import Credentials
from faultsight.core.errors import FaultSightError, SettingError
from faultsight.sim import modem_agent
from faultsight.sim.modem_agent import AgentConfig, ModemAgent, agent_process, modem_address

UPTIME, DESCRIPTION = "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.1.0"
POWER = "1.3.6.1.4.1.4491.2.1.20.1.2.1.1"
SNR = "1.3.6.1.4.1.4491.2.1.20.1.4.1.4"


def session(agent: ModemAgent, address: str, community: str = "public") -> Session:
    return opener(Credentials(community=community), agent.port, 0.5)(address)


def get(agent: ModemAgent, address: str, *oids: str) -> dict[str, object]:
    return run_all([session(agent, address).get(list(oids))])[0]


def walk(agent: ModemAgent, address: str, oid: str, repetitions: int = 7) -> dict[str, object]:
    async def all_rows() -> dict[str, object]:
        place = place_after(oid, repetitions)
        found: dict[str, object] = {}
        for _ in range(10_000):
            rows = await session(agent, address).rows(place)
            if not rows:
                return found
            for row in rows:
                if row is None:
                    return found
                found[row[0]] = row[1]
        raise AssertionError("the walk does not end")

    return run_all([all_rows()])[0]


def test_every_address_is_a_modem_with_values_of_its_own() -> None:
    addresses = ["127.1.0.0", "127.1.0.1", "127.9.8.7", modem_address(70_000)]
    with ModemAgent(AgentConfig(n_modems=2)) as agent:
        oids = [f"{POWER}.{index}" for index in (80, 81, 82)]
        told = [get(agent, address, *oids) for address in addresses]
        again = [get(agent, address, *oids) for address in addresses]
        assert get(agent, "127.1.0.0", f"{POWER}.83", DESCRIPTION) == {
            DESCRIPTION: b"FaultSight modem 1"
        }
    assert told == again
    assert len({tuple(values.values()) for values in told}) == len(addresses)
    for values in told:
        assert all(isinstance(v, int) and 400 <= v <= 480 for v in values.values())


def test_the_seed_makes_the_values() -> None:
    def power(seed: int) -> dict[str, object]:
        with ModemAgent(AgentConfig(n_modems=1, seed=seed)) as agent:
            return get(agent, "127.1.0.0", *(f"{POWER}.{index}" for index in (80, 81, 82)))

    assert power(1) == power(1) != power(2)


@pytest.mark.parametrize("repetitions", [1, 7, 60])
def test_a_cmts_is_walked_row_by_row(repetitions: int) -> None:
    with ModemAgent(AgentConfig(n_modems=23, n_channels=2)) as agent:
        snr = walk(agent, "127.0.0.1", SNR, repetitions)
        macs = walk(agent, "127.0.0.1", "1.3.6.1.4.1.4491.2.1.20.1.3.1.2", repetitions)
        everything = walk(agent, "127.0.0.1", "1.3", repetitions)
        one = get(agent, "127.0.0.1", f"{SNR}.5.102", f"{SNR}.24.101", f"{SNR}.5.103")
    assert list(snr) == [f"{SNR}.{cm}.{index}" for cm in range(1, 24) for index in (101, 102)]
    assert len(macs) == 23
    assert one == {f"{SNR}.5.102": snr[f"{SNR}.5.102"]}
    order = [tuple(map(int, oid.split("."))) for oid in everything]
    assert order == sorted(order)
    # 2 scalars, 4 of interfaces, 2 of nodes; 5 columns of modems, 8 of modems and channels.
    assert len(everything) == 8 + 5 * 23 + 8 * 46


def test_a_wrong_community_is_met_with_silence() -> None:
    with (
        ModemAgent(AgentConfig(n_modems=1)) as agent,
        pytest.raises(TimeoutError),
    ):
        run_all([session(agent, "127.1.0.0", community="private").get([UPTIME])])


def test_a_share_of_requests_is_dropped_and_the_same_ones_each_time() -> None:
    def dropped(seed: int) -> list[bool]:
        agent = ModemAgent(AgentConfig(n_modems=1, drop=0.25, seed=seed))
        request = bytes.fromhex(
            "302602010104067075626c6963a019020101020100020100300e300c06082b060102010101000500"
        )
        told = [agent.answer(request, "127.1.0.0") is None for _ in range(5000)]
        assert agent.answer(request, "127.0.0.1") is not None  # never of the CMTS
        agent.close()
        return told

    first = dropped(1)
    assert first == dropped(1) != dropped(2)
    assert 0.22 < sum(first) / len(first) < 0.28


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_datagram_ends_it(datagram: bytes) -> None:
    agent = _AGENT
    assert agent.answer(datagram, "127.1.0.0") is None


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_damaged_request_ends_it(data: st.DataObject) -> None:
    damaged = bytearray.fromhex(
        "302602010104067075626c6963a51902010102010002010a300e300c06082b060102010101000500"
    )
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    answer = _AGENT.answer(bytes(damaged), data.draw(st.sampled_from(["127.1.0.0", "127.0.0.1"])))
    assert answer is None or (answer[0] == 0x30 and len(answer) < 4096)


_AGENT = ModemAgent(AgentConfig(n_modems=3))
_AGENT.close()


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_object_ids_survive_encoding(numbers: list[int]) -> None:
    oid = (1, 3, *numbers)
    assert modem_agent._numbers(modem_agent._content(oid)) == oid


def test_a_process_of_its_own_ends_with_the_block() -> None:
    with agent_process(AgentConfig(n_modems=4, n_channels=1)) as port:
        ask = opener(Credentials(community="public"), port, 2.0)
        assert run_all([ask("127.1.0.3").get([f"{POWER}.80"])])[0]
    with pytest.raises(TimeoutError):
        run_all([ask("127.1.0.3").get([f"{POWER}.80"])])


def test_a_process_that_cannot_start_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        with (
            pytest.raises(FaultSightError, match="did not start"),
            agent_process(AgentConfig(port=port)),
        ):
            pass
    assert "in use" in capfd.readouterr().err


@pytest.mark.parametrize(
    "wrong", [{"n_modems": 0}, {"n_channels": 9}, {"drop": 1.5}, {"modems_per_fnode": 0}]
)
def test_a_setting_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingError):
        AgentConfig(**wrong)  # type: ignore[arg-type]
