"""The family, device ids, fiber nodes of the operator's, and what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.collectors import COLLECTORS, Collector, DeviceIds
from faultsight.collectors._contract import Batch, Progress
from faultsight.collectors._fnodes import read_fnodes
from faultsight.collectors._ranges import within_ranges
from faultsight.collectors._snmp_session import opener
from faultsight.collectors.snmp import Credentials
from faultsight.core.errors import (
    FaultSightError,
    InputError,
    MissingColumnError,
    MissingExtraError,
)


def test_members_are_found_by_their_file_and_keep_the_contract() -> None:
    assert COLLECTORS.names() == ["csv_export", "folder", "pypnm_json", "snmp"]
    for name in COLLECTORS.names():
        member = COLLECTORS.load(name)
        assert issubclass(member, Collector)
        assert member.name == name


def test_the_door_is_light() -> None:
    code = "import sys, faultsight.collectors.snmp; print('gufo' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert told.stdout.decode().strip() == "False"


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [module for module in sys.modules if module.partition(".")[0] == "gufo"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gufo", None)
    with pytest.raises(MissingExtraError, match=r"faultsight\[snmp\]"):
        opener(Credentials(community="public"), 161, 1.0)


def test_the_library_has_what_is_used_of_it() -> None:
    from gufo.snmp._fast import SnmpV2cClientSocket, SnmpV3ClientSocket

    for kind in (SnmpV2cClientSocket, SnmpV3ClientSocket):
        for verb in ("get_many", "get_bulk"):
            assert hasattr(kind, f"send_{verb}")
            assert hasattr(kind, f"recv_{verb}")
        assert hasattr(kind, "get_fd")
    assert hasattr(SnmpV3ClientSocket, "set_keys")
    assert hasattr(SnmpV3ClientSocket, "send_refresh")


class _Twice(Collector):
    def _collect(self, progress: Progress) -> Batch:
        table = pl.DataFrame({"device_id": ["a", "b", "c"], "snr_db": [36.0, -1.0, 51.0],
                              "tx_power_dbmv": [float("nan"), 61.0, float("inf")]})  # fmt: skip
        return Batch(table, polled=3, answered=2)


class _Sink:
    def __init__(self) -> None:
        self.tables: list[pl.DataFrame] = []

    def append(self, table: pl.DataFrame) -> int:
        self.tables.append(table)
        return 1


def test_every_collector_sets_aside_what_no_plant_shows() -> None:
    sink = _Sink()
    done = _Twice().collect(sink)
    (table,) = sink.tables
    assert table["snr_db"].to_list() == [36.0, None, None]
    assert table["tx_power_dbmv"].to_list() == [None, 61.0, None]
    told = [(one.column, one.count, one.example) for one in done.set_aside]
    assert told == [("tx_power_dbmv", 2, "nan of a"), ("snr_db", 2, "-1 of b")]
    assert (done.unanswered, done.rows, done.files) == (1, 3, 1)
    assert done.to_dict()["set_aside"][0]["reason"] == "outside 17 to 61"


@given(st.lists(st.one_of(st.none(), st.floats()), min_size=1))
def test_what_is_in_range_stays_as_it_is(values: list[float | None]) -> None:
    table = pl.DataFrame({"device_id": ["a"] * len(values), "rx_power_dbmv": values},
                         schema={"device_id": pl.String, "rx_power_dbmv": pl.Float64})  # fmt: skip
    kept, aside = within_ranges(table)
    expected = [v if v is not None and -20 <= v <= 20 else None for v in values]
    assert kept["rx_power_dbmv"].to_list() == expected
    assert sum(one.count for one in aside) == kept["rx_power_dbmv"].null_count() - values.count(
        None
    )


class TestDeviceIds:
    """MAC addresses are hashed, with a key that is the operator's."""

    def test_notations_of_one_address_are_one_device(self) -> None:
        ids = DeviceIds(key=b"k" * 16)
        found = {
            ids.of(mac)
            for mac in ("00:11:00:00:00:FB", "00-11-00-00-00-fb", "0011.0000.00fb", "0011000000fb",
                        bytes.fromhex("0011000000fb"))
        }  # fmt: skip
        assert len(found) == 1

    def test_another_key_is_another_name(self) -> None:
        mac = "00:11:00:00:00:FB"
        names = {DeviceIds(key=key * 16).of(mac) for key in (b"a", b"b")} | {DeviceIds().of(mac)}
        assert len(names) == 3
        assert {len(name) for name in names} == {16}

    def test_addresses_of_a_network_do_not_meet(self) -> None:
        ids = DeviceIds(key=b"k" * 16)
        names = {ids.of(number.to_bytes(6, "big")) for number in range(20_000)}
        assert len(names) == 20_000

    @pytest.mark.parametrize("mac", ["", "00:11", "00:11:00:00:00:fg", b"12345", "1" * 13])
    def test_what_is_no_address_is_refused(self, mac: str | bytes) -> None:
        with pytest.raises(ValueError, match="not a MAC address"):
            DeviceIds().of(mac)

    def test_the_key_is_never_shown(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_bytes(b"  very-secret-key-0\n")
        ids = DeviceIds.from_key_file(tmp_path / "key")
        assert ids.key == b"very-secret-key-0"
        assert "secret" not in repr(ids)


@pytest.mark.parametrize(
    ("text", "error", "place"),
    [
        ("mac,node\n00:11:00:00:00:01,F\n", MissingColumnError, "'fnode'"),
        ("mac,fnode\n00:11:00:00:00:01,\n", InputError, "row 1"),
        ("mac,fnode\n00:11:00:00:00:01,F\nx,F\n", InputError, "column 'mac', row 2"),
        ("device_id,fnode\n,F\n", InputError, "column 'device_id', row 1"),
    ],
)
def test_a_table_of_fiber_nodes_is_whole(
    tmp_path: Path, text: str, error: type[FaultSightError], place: str
) -> None:
    (tmp_path / "fnodes.csv").write_text(text)
    with pytest.raises(error, match=place):
        read_fnodes(tmp_path / "fnodes.csv", DeviceIds())


def test_a_table_of_fiber_nodes_may_be_of_device_ids(tmp_path: Path) -> None:
    (tmp_path / "fnodes.csv").write_text("device_id,fnode\n007,F1\n")
    assert read_fnodes(tmp_path / "fnodes.csv", DeviceIds()) == {"007": "F1"}
