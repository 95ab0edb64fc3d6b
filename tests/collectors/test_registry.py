"""What a CMTS lists: fiber nodes, addresses, states, and modems that stand twice."""

from __future__ import annotations

from typing import Any

import pytest

from faultsight.collectors import _docsis_objects as docsis
from faultsight.collectors._cmts_walk import CmtsTables
from faultsight.collectors._device_ids import DeviceIds
from faultsight.collectors._docsis_objects import OFDMA, SC_QAM
from faultsight.collectors._registry import ListedModem, listed_modems, measured_at_cmts
from faultsight.collectors._snmp_config import CmtsConfig, Credentials

READER = Credentials(community="public")
PLAIN = DeviceIds(hashed=False)
MAC = "00:11:00:00:00:0"
KNOWN = {MAC + "3": "remembered", MAC + "1": "old"}


def instance(name: str, domain: int, group: int) -> str:
    return ".".join(map(str, (domain, len(name), *name.encode(), group)))


def tables(**changes: Any) -> CmtsTables:
    """Return tables of three modems in one group of one fiber node."""
    cms = ("1", "2", "3")
    columns: dict[str, dict[str, object]] = {
        docsis.REG_MAC.name: {cm: bytes.fromhex(f"00110000000{cm}") for cm in cms},
        docsis.REG_IPV4.name: {cm: bytes((10, 0, 0, int(cm))) for cm in cms},
        docsis.REG_STATE.name: dict.fromkeys(cms, 8),
        docsis.REG_MAC_DOMAIN.name: dict.fromkeys(cms, 7),
        docsis.REG_SERVICE_GROUP.name: dict.fromkeys(cms, 1),
        docsis.NODE_GROUP.name: {instance("FN1", 7, 1): 1},
    }
    for name, told in changes.items():
        columns[getattr(docsis, name).name] |= told
    return CmtsTables(columns)


def listed(told: CmtsTables, **changes: Any) -> tuple[dict[str, ListedModem], dict[str, int]]:
    config = CmtsConfig("lab", "192.0.2.1", READER, READER, **changes)
    modems, aside = listed_modems(told, config, PLAIN, KNOWN)
    return {modem.device_id: modem for modem in modems}, {one.reason: one.count for one in aside}


def test_a_modem_is_joined_to_its_fiber_node() -> None:
    modems, aside = listed(tables())
    assert modems[MAC + "1"] == ListedModem("1", MAC + "1", "FN1", "10.0.0.1", is_online=True)
    assert aside == {}


def test_nodes_that_share_a_group_are_one_domain() -> None:
    modems, _ = listed(tables(NODE_GROUP={instance("A2", 7, 1): 1}))
    assert {modem.fnode for modem in modems.values()} == {"A2+FN1"}


@pytest.mark.parametrize(
    ("column", "value"),
    [("REG_SERVICE_GROUP", 0), ("REG_SERVICE_GROUP", 9), ("REG_MAC_DOMAIN", 0),
     ("REG_MAC_DOMAIN", b"7"), ("REG_SERVICE_GROUP", None)],
)  # fmt: skip
def test_a_modem_in_no_known_group_is_set_aside(column: str, value: object) -> None:
    modems, aside = listed(tables(**{column: {"2": value}}))
    assert MAC + "2" not in modems
    assert aside == {"its fiber node is not known": 1}


def test_a_modem_whose_group_its_cmts_has_forgotten_is_where_it_was() -> None:
    modems, aside = listed(tables(REG_SERVICE_GROUP={"3": 0}, REG_STATE={"3": 2}), fnode_prefix="x")
    assert (modems[MAC + "3"].fnode, modems[MAC + "3"].is_online) == ("remembered", False)
    assert modems[MAC + "1"].fnode == "xFN1"
    assert aside == {}


def test_the_operators_own_table_goes_first_and_a_prefix_is_for_the_cmtss_names() -> None:
    modems, aside = listed(
        tables(REG_SERVICE_GROUP={"2": 0}), fnodes={MAC + "2": "N42"}, fnode_prefix="east-"
    )
    assert [modems[MAC + n].fnode for n in "123"] == ["east-FN1", "N42", "east-FN1"]
    assert aside == {}


@pytest.mark.parametrize(
    ("state", "is_online"), [(8, True), (6, True), (9, True), (17, True), (2, False), (1, False)]
)
def test_a_registered_modem_is_online(state: int, is_online: bool) -> None:
    modems, _ = listed(tables(REG_STATE={"2": state}))
    assert modems[MAC + "2"].is_online is is_online


@pytest.mark.parametrize(
    ("v4", "v6", "address"),
    [
        (bytes((10, 0, 0, 9)), bytes(16), "10.0.0.9"),
        ("10.0.0.9", None, "10.0.0.9"),  # some agents say IpAddress
        (bytes(4), bytes.fromhex("20010db8" + "00" * 11 + "01"), "2001:db8::1"),
        (bytes(4), bytes(16), ""),
        (b"\x0a\x00", 17, ""),
        (None, None, ""),
    ],
)
def test_the_address_is_the_one_that_there_is(v4: object, v6: object, address: str) -> None:
    told = tables(REG_IPV4={"2": v4})
    told.columns[docsis.REG_IPV6.name] = {"2": v6}
    modems, _ = listed(told)
    assert modems[MAC + "2"].address == address
    assert modems[MAC + "2"].is_online is bool(address)


def test_a_modem_that_stands_twice_is_one_modem() -> None:
    twice = {
        "REG_MAC": {"4": bytes.fromhex("001100000002")},
        "REG_IPV4": {"4": bytes((10, 0, 0, 4))},
        "REG_MAC_DOMAIN": {"4": 7},
        "REG_SERVICE_GROUP": {"4": 1},
    }
    modems, aside = listed(tables(**twice, REG_STATE={"4": 2}))
    assert modems[MAC + "2"].cm == "2"
    modems, aside = listed(tables(**twice, REG_STATE={"2": 2, "4": 8}))
    assert modems[MAC + "2"].cm == "4"
    assert aside == {"listed twice; the entry that is online counts": 1}


def test_what_is_no_mac_address_is_set_aside() -> None:
    modems, aside = listed(tables(REG_MAC={"2": b"\0\x11", "3": "00:11:00:00:00:03"}))
    assert set(modems) == {MAC + "1"}
    assert aside == {"its MAC address cannot be read": 2}


def test_names_of_nodes_are_shown_as_text_and_nonsense_is_passed_over() -> None:
    told = tables()
    told.columns[docsis.NODE_GROUP.name] = {
        "7.3.70.27.49.1": 1, "7.9.70.1": 1, "garbage": 1, "7.0.1": 1, "7.2.300.1.1": 1,
    }  # fmt: skip
    modems, _ = listed(told)
    assert {modem.fnode for modem in modems.values()} == {"F?1"}


def measured(kinds: Any = (SC_QAM,), **columns: dict[str, object]) -> tuple[Any, dict[str, int]]:
    told = CmtsTables(columns)
    devices = {"1": "a", "2": "b"}
    table, aside = measured_at_cmts(told, kinds, devices)
    return table, {f"{one.column}: {one.reason}": one.count for one in aside}


def test_channels_are_named_by_their_id_and_not_by_their_interface() -> None:
    table, aside = measured(
        docsIfUpChannelId={"101": 4, "102": 3, "103": 0},
        docsIf3CmtsCmUsStatusSignalNoise={"1.101": 365, "1.102": 340, "2.103": 333, "9.101": 300},
        docsIf3CmtsCmUsStatusRxPower={"1.102": -5, "2.101": 0},
        docsIf3CmtsCmUsStatusUnerroreds={"1.101": 2**32 - 1},
        docsIfUpChannelPreEqEnable={"101": 1, "102": 2},
    )
    rows = table.select("device_id", "channel", "snr_db", "rx_power_dbmv",
                        "codewords_unerrored_total", "has_pre_equalization").rows()  # fmt: skip
    assert sorted(rows, key=str) == [
        ("a", "3", 34.0, -0.5, None, False),
        ("a", "4", 36.5, None, 2.0**32 - 1, True),
        ("b", "4", None, 0.0, None, True),
    ]
    # A channel without an id cannot be joined; of a modem that is not listed nothing is taken.
    assert aside == {": a channel without an id at the CMTS": 1}


def test_ofdma_channels_are_in_units_of_their_own() -> None:
    table, _ = measured(
        (SC_QAM, OFDMA),
        docsIfUpChannelId={"101": 1},
        docsIf3CmtsCmUsStatusSignalNoise={"1.101": 365},
        docsIf31CmtsUsOfdmaChanId={"201": 25},
        docsIf31CmtsCmUsOfdmaChannelMeanRxMer={"1.201": 4017},
        docsIf31CmtsCmUsOfdmaChannelRxPower={"1.201": 5},
    )
    rows = table.select("device_id", "channel", "snr_db", "rx_power_dbmv").rows()
    assert rows == [("a", "1", 36.5, None), ("a", "25", 40.17, 0.5)]


def test_states_are_there_where_they_were_walked() -> None:
    table, aside = measured(
        (SC_QAM, OFDMA),
        docsIfUpChannelId={"101": 1},
        docsIf3CmtsCmUsStatusSignalNoise={"1.101": 365, "2.101": 350},
        docsIf3CmtsCmUsStatusMicroreflections={"1.101": 31, "2.101": 0},
        docsIf3CmtsCmUsStatusIsMuted={"1.101": 1, "2.101": 2},
        docsIf3CmtsCmUsStatusRangingStatus={"1.101": 3, "2.101": 9},
        docsIf31CmtsUsOfdmaChanId={"201": 25},
        docsIf31CmtsCmUsOfdmaChannelMeanRxMer={"1.201": 4017},
        docsIf31CmtsCmUsOfdmaChannelStdDevRxMer={"1.201": 163},
        docsIf31CmtsCmUsOfdmaChannelIsMuted={"1.201": 2},
    )
    rows = table.select("device_id", "channel", "is_muted", "ranging", "micro_reflections_dbc",
                        "snr_std_db").rows()  # fmt: skip
    assert rows == [
        ("a", "1", True, "retries exceeded", -31.0, None),
        ("b", "1", False, None, None, None),
        ("a", "25", False, None, None, 1.63),
    ]
    # 9 is no state of ranging; that OFDMA's was not walked is nothing wrong.
    assert aside == {"ranging: not of the type that the MIB says": 1}


def test_values_of_a_wrong_type_are_counted() -> None:
    _, aside = measured(
        docsIfUpChannelId={"101": 1, "102": "2"},
        docsIf3CmtsCmUsStatusSignalNoise={"1.101": "36.5", "2.101": 365},
        docsIf3CmtsCmUsStatusCorrecteds={"1.101": -4, "2.101": b"8", "2.102": 1},
    )
    wrong = "not of the type that the MIB says"
    assert aside == {
        f"snr_db: {wrong}": 1,
        f"codewords_corrected: {wrong}": 2,
        ": a channel without an id at the CMTS": 1,
    }
