"""PyPNM's answers become telemetry; what they do not say is given or counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faultsight.collectors import DeviceIds
from faultsight.collectors.pypnm_json import PypnmJson, PypnmJsonConfig
from faultsight.core.errors import InputError, SettingError
from faultsight.core.telemetry import TelemetryFolder

FIXTURES = Path(__file__).parents[1] / "fixtures" / "snmp"
STATS, TAPS = FIXTURES / "pypnm-stats.json", FIXTURES / "pypnm-preeq.json"
MAC = "00:11:00:00:00:01"
CONFIG = PypnmJsonConfig(captured_at=1.7e9, fnode="FN1", device_ids=DeviceIds(hashed=False))

RowsOf = Callable[[TelemetryFolder], pl.DataFrame]


def answer(mac: str = MAC, channel: int = 1, **entry: Any) -> dict[str, Any]:
    item = {"index": 79 + channel, "channel_id": channel, "entry": entry}
    return {"mac_address": mac, "status": 0, "data": [item]}


def lines(path: Path, *documents: Any) -> Path:
    path.write_text("\n".join(json.dumps(document) for document in documents))
    return path


def test_stats_and_coefficients_of_one_capture_are_one_poll(
    sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    done = PypnmJson([TAPS, STATS], CONFIG).collect(sink)
    assert (done.polled, done.answered, done.rows, done.set_aside) == (1, 1, 2, ())
    rows = rows_of(sink).sort("channel").rows(named=True)
    assert [row["tx_power_dbmv"] for row in rows] == [49.0, 48.5]
    assert {row["timestamp"].timestamp() for row in rows} == {1.7e9}
    as_sent, decoded = (row["pre_equalization"] for row in rows)
    assert as_sent[:6].hex() == "080118000004"
    # 24 taps: the main one, 2047 - 9i, stands where the modem had it.
    assert decoded[:4].hex() == "08011800"
    assert decoded[4 + 4 * 7 : 4 + 4 * 8].hex() == "07fffff7"
    assert len(decoded) == 100


def test_counters_are_totals_and_become_deltas(
    tmp_path: Path, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    documents = [
        answer(docsIf3CmStatusUsT3Timeouts=total) | {"captured_at": 1.7e9 + 14_400 * number}
        for number, total in enumerate((5, 8, 2, 2))
    ]
    file = lines(tmp_path / "day.jsonl", *reversed(documents))
    done = PypnmJson([file], replace(CONFIG, captured_at=None)).collect(sink)
    assert (done.polled, done.rows) == (4, 4)
    assert rows_of(sink).sort("timestamp")["t3_timeouts"].to_list() == [None, 3.0, None, 0.0]


def test_a_modem_that_could_not_be_asked_is_a_poll_without_an_answer(
    tmp_path: Path, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    file = lines(
        tmp_path / "a.jsonl",
        {"mac_address": MAC, "status": 3, "message": "unreachable"},
        {"mac_address": "00:11:00:00:00:02", "status": 0, "data": []},
    )
    done = PypnmJson([file], CONFIG).collect(sink)
    assert (done.polled, done.answered) == (2, 0)
    assert rows_of(sink).select("channel", "answered").rows() == [(None, False)] * 2


@pytest.mark.parametrize(
    ("document", "reason", "column"),
    [
        ("not JSON", "not JSON", ""),
        ([1, 2], "not an answer of PyPNM", ""),
        ({"status": 0}, "not an answer of PyPNM", ""),
        (answer(mac="00:11"), "not a MAC address", "device_id"),
        (answer() | {"captured_at": "yesterday"}, "no capture time, neither in it nor given",
         "timestamp"),
        (answer(channel=0), "a channel without its id", "channel"),
        (answer(docsIf3CmStatusUsTxPower="49"), "not a number", "tx_power_dbmv"),
        (answer(docsIf3CmStatusUsTxPower=True), "not a number", "tx_power_dbmv"),
        (answer(docsIf3CmStatusUsTxPower=490), "outside 17 to 61", "tx_power_dbmv"),
        (answer(docsIf3CmStatusUsEqData="0x0801...0002"), "not DocsEqualizerData",
         "pre_equalization"),
        (answer() | {"data": {"80": {}}}, "not coefficients", "pre_equalization"),
        (answer() | {"data": {"80": {"main_tap_location": 8, "forward_coefficients":
            [{"real": 40_000, "imag": 0}] * 8}}}, "not coefficients", "pre_equalization"),
        (answer() | {"data": {"99": {"main_tap_location": 8, "forward_coefficients":
            [{"real": 1, "imag": 0}] * 8}}},
         "coefficients of a channel that no answer of stats names", "pre_equalization"),
        (answer() | {"data": "text"}, "neither stats nor preEqualization", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_counted_with_its_place(
    tmp_path: Path, sink: TelemetryFolder, document: Any, reason: str, column: str
) -> None:
    good = answer(mac="00:11:00:00:00:09", docsIf3CmStatusUsTxPower=44.0)
    file = tmp_path / "a.jsonl"
    text = "{..." if document == "not JSON" else json.dumps(document)
    file.write_text(f"{json.dumps(good)}\n{text}\n")
    done = PypnmJson([file], CONFIG).collect(sink)
    (one,) = done.set_aside
    assert (one.reason, one.column, one.count) == (reason, column, 1)
    if not reason.startswith("outside"):
        assert one.example == "a.jsonl, line 2"
    # The good one is there.
    names = [device for node in sink.nodes() for device in node.device_ids]
    assert "00:11:00:00:00:09" in names


def test_fiber_nodes_come_from_a_mapping(tmp_path: Path, sink: TelemetryFolder) -> None:
    file = lines(tmp_path / "a.jsonl", answer(), answer(mac="00:11:00:00:00:02"))
    config = replace(CONFIG, fnode="", fnodes={MAC: "N7"})
    done = PypnmJson([file], config).collect(sink)
    assert sink.fnodes == ["N7"]
    (one,) = done.set_aside
    assert (one.reason, one.example) == ("its fiber node is not known", "00:11:00:00:00:02")


def test_nothing_that_can_be_used_is_an_error_that_names_the_place(
    tmp_path: Path, sink: TelemetryFolder
) -> None:
    file = lines(tmp_path / "a.json", answer())
    with pytest.raises(InputError, match=r"no capture time.*a\.json, answer 1"):
        PypnmJson([file], PypnmJsonConfig(fnode="F")).collect(sink)
    with pytest.raises(InputError, match="fiber node is not known"):
        PypnmJson([file], PypnmJsonConfig(captured_at=0.0)).collect(sink)
    (tmp_path / "a.json").write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match="UTF-8"):
        PypnmJson([file], CONFIG).collect(sink)
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        PypnmJson([tmp_path / "none.json"], CONFIG).collect(sink)
    with pytest.raises(SettingError, match="no file"):
        PypnmJson([])
    assert sink.fnodes == []


def test_a_file_of_another_kind_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: TelemetryFolder
) -> None:
    monkeypatch.setattr("faultsight.collectors.pypnm_json._LARGEST_BYTES", 1 << 20)
    file = tmp_path / "capture.bin"
    file.write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(InputError, match="larger than"):
        PypnmJson([file], CONFIG).collect(sink)


def test_deep_nesting_ends_nothing(tmp_path: Path, sink: TelemetryFolder) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(answer(docsIf3CmStatusUsTxPower=44.0)) + "\n" + "[" * 100_000)
    done = PypnmJson([file], CONFIG).collect(sink)
    assert (done.rows, done.set_aside[0].reason) == (1, "not JSON")
