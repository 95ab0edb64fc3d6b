"""Raw exports: what is read, what is set aside and counted, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, MissingColumnError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable, Telemetry
from faultsight.core.telemetry import TelemetryFolder
from faultsight.diagnose.reading import QuarantinedPolls, read_polls

START_S = 1_767_571_200  # 2026-01-05 00:00 UTC
NOW_S = START_S + 30 * 86_400.0


def export(
    n_modems: int = 12, n_rounds: int = 8, n_channels: int = 2, **others: Any
) -> pl.DataFrame:
    """Return a sound export of one fiber node; a modem a minute, a round every four hours."""
    rng = np.random.default_rng(1)
    modem, round_, channel = (
        a.ravel() for a in np.meshgrid(
            np.arange(n_modems), np.arange(n_rounds), np.arange(n_channels), indexing="ij"
        )
    )  # fmt: skip
    n = len(modem)
    stamps = (START_S + round_ * 14_400 + modem * 60) * 1000
    table = pl.DataFrame(
        {
            "timestamp": pl.Series(stamps).cast(pl.Datetime("ms", "UTC")),
            "device_id": [f"cm{m:04d}" for m in modem],
            "fnode": ["F1"] * n,
            "channel": [str(c + 1) for c in channel],
            "snr_db": np.round(rng.normal(36.0, 1.0, n), 1),
            "tx_power_dbmv": np.round(rng.normal(43.0, 2.0, n) * 4) / 4,
            "rx_power_dbmv": np.round(rng.normal(0.0, 0.4, n), 1),
        }
    )
    return table.with_columns(**others) if others else table


def read(source: Any, **how: Any) -> tuple[Telemetry, list[QuarantinedPolls]]:
    return read_polls(source, **{"now_s": NOW_S, **how})


def told(notes: list[QuarantinedPolls]) -> dict[tuple[str, str], int]:
    return {(note.column, note.reason.split(":")[0]): note.rows for note in notes}


def node(telemetry: Telemetry, fnode: str = "F1") -> NodePolls:
    (found,) = telemetry.nodes(fnodes=[fnode])
    return found


def same(a: Telemetry, b: Telemetry) -> bool:
    left, right = list(a.nodes()), list(b.nodes())
    return [n.fnode for n in left] == [n.fnode for n in right] and all(
        x.device_ids == y.device_ids
        and x.channels == y.channels
        and np.array_equal(x.device_start, y.device_start)
        and np.array_equal(x.time_s, y.time_s)
        and x.values.keys() == y.values.keys()
        and all(np.array_equal(x.values[m], y.values[m], equal_nan=True) for m in x.values)
        for x, y in zip(left, right, strict=True)
    )


def with_row(table: pl.DataFrame, row: int, **values: Any) -> pl.DataFrame:
    at = pl.int_range(pl.len()) == row
    return table.with_columns(
        **{c: pl.when(at).then(pl.lit(v)).otherwise(pl.col(c)) for c, v in values.items()}
    )


# --- forms -----------------------------------------------------------------------------------


def test_a_sound_export_comes_through_whole_and_without_a_word() -> None:
    table = export()
    telemetry, notes = read(table)
    polls = node(telemetry)
    assert notes == []
    assert (polls.n_devices, polls.channels, polls.n_polls) == (12, ("1", "2"), 96)
    assert telemetry.window == TimeWindow(START_S, START_S + 7 * 14_400 + 11 * 60 + 1)
    first = table.filter(pl.col("device_id") == "cm0000", pl.col("channel") == "2")
    np.testing.assert_allclose(polls.values["snr_db"][:8, 1], first["snr_db"], rtol=1e-6)


def test_csv_parquet_folder_pandas_and_arrow_say_the_same(tmp_path: Path) -> None:
    table = export()
    expected, _ = read(table)
    table.write_parquet(tmp_path / "one.parquet")
    table.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(
        tmp_path / "one.csv"
    )
    days = tmp_path / "days" / "deep"
    days.mkdir(parents=True)
    table[:50].write_parquet(days / "1.parquet")
    table[50:].with_columns(pl.col("timestamp").dt.epoch("s")).write_csv(days.parent / "2.csv")
    sources: list[Any] = [tmp_path / "one.parquet", str(tmp_path / "one.csv"), tmp_path / "days"]
    for source in [*sources, table.to_pandas(), table.to_arrow(), table.lazy()]:
        telemetry, notes = read(source)
        assert same(telemetry, expected), type(source)
        assert notes == []


def test_a_folder_of_telemetry_is_opened_as_it_is(tmp_path: Path) -> None:
    TelemetryFolder.create(tmp_path / "telemetry").append(export())
    telemetry, notes = read(tmp_path / "telemetry")
    assert isinstance(telemetry, TelemetryFolder)
    assert notes == []
    assert same(telemetry, read(export())[0])
    with pytest.raises(SettingError, match="its columns and units are known"):
        read(tmp_path / "telemetry", units={"snr_db": "tenth dB"})
    with pytest.raises(InputError, match=r"the polls are in its folder .*telemetry"):
        read(tmp_path)


def test_names_are_mapped_and_numbers_as_names_stay_as_written(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        "ts,mac,node,us,SNR,tx_power_dbmv\n"
        "2026-01-05T00:00Z,007,12,1,36.5,43\n2026-01-05T00:00Z,7,12,1,35.5,44\n"
    )
    names = {"timestamp": "ts", "device_id": "mac", "fnode": "node", "channel": "us",
             "snr_db": "SNR"}  # fmt: skip
    telemetry, _ = read(path, columns=names)
    assert telemetry.fnodes == ["12"]
    assert node(telemetry, "12").device_ids == ("007", "7")
    with pytest.raises(SettingError, match="polls have no column 'snr'"):
        read(path, columns={"snr": "SNR"})
    with pytest.raises(MissingColumnError, match=r"export\.csv, column 'MER': no such column"):
        read(path, columns={**names, "snr_db": "MER"})


def test_all_missing_columns_are_told_at_once_with_a_guess(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("Time,MAC Address,Fiber Node,ch,SNR\n2026-01-05,a,F,1,36\n")
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "there is no column 'timestamp', 'device_id', 'fnode', 'channel'" in message
    for hint in ("--map fnode=Fiber Node", "--map device_id=MAC Address", "--map timestamp=Time"):
        assert hint in message
    with pytest.raises(InputError, match=r"no column of measured values.*--map snr_db=SNR"):
        read(export().select("timestamp", "device_id", "fnode", "channel", SNR="snr_db"))


def test_columns_that_are_not_known_are_told() -> None:
    _, notes = read(export().rename({"tx_power_dbmv": "TxPower"}).with_columns(x=pl.lit(1)))
    (note,) = notes
    assert note.column == "TxPower, x"
    assert note.reason == "column not known: passed over; perhaps: --map tx_power_dbmv=TxPower"


def test_numbers_are_names_and_other_kinds_are_refused() -> None:
    numbers = export(3).with_columns(device_id=pl.col("device_id").str.slice(2).cast(pl.Float64))
    assert node(read(numbers)[0]).device_ids == ("0", "1", "2")
    grouped = export(3).cast({"fnode": pl.Categorical, "channel": pl.Int8})
    assert same(read(grouped)[0], read(export(3))[0])
    kinds = (pl.lit([[1]]), pl.lit(b"\xff"), pl.duration(days=1), pl.struct(pl.lit(1)))
    for column in ("device_id", "fnode", "channel", "answered", "snr_db", "timestamp"):
        for kind in kinds:
            with pytest.raises(InputError, match=f"column '{column}'"):
                read(export(3).with_columns(kind.alias(column)))


def test_semicolons_and_decimal_commas_are_named(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("timestamp;device_id;fnode;channel;snr_db\n2026-01-05;a;F;1;36,5\n")
    with pytest.raises(InputError, match=r"export\.csv: columns are separated by semicolons"):
        read(path)
    path.write_text('timestamp,device_id,fnode,channel,snr_db\n2026-01-05,a,F,1,"36,5"\n')
    with pytest.raises(InputError, match=r"column 'snr_db', row 1: '36,5'.*decimals with a point"):
        read(path)


def test_of_several_files_the_good_ones_are_read(tmp_path: Path) -> None:
    export().write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 nonsense")
    (tmp_path / "tickets.csv").write_text("ticket_id,device_id\nt1,cm0001\n")
    telemetry, notes = read(tmp_path)
    assert same(telemetry, read(export())[0])
    files = [(Path(n.source).name, n.rows) for n in notes if n.reason.endswith("file set aside")]
    assert files == [("b.parquet", 0), ("tickets.csv", 0)]
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(InputError, match=r"b\.parquet: cannot be read as a table"):
        read(tmp_path)


def test_damaged_parquet_never_ends_in_a_traceback(tmp_path: Path) -> None:
    export(4, 3).write_parquet(tmp_path / "sound.parquet")
    content = (tmp_path / "sound.parquet").read_bytes()
    for place in range(0, len(content), 41):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        for data in (bytes(damaged), content[:place]):
            path = tmp_path / "damaged.parquet"
            path.write_bytes(data)
            problem = ""
            try:
                read(path)
            except InputError as error:
                problem = str(error)
            assert not problem or "damaged.parquet" in problem


# --- units -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "factor", "offset", "likely"),
    [
        ("snr_db", 10, 0, "tenth dB"),
        ("snr_db", 100, 0, "hundredth dB"),
        ("snr_db", 4, 0, "quarter dB"),
        ("tx_power_dbmv", 10, 0, "tenth dBmV"),
        ("tx_power_dbmv", 4, 0, "quarter dBmV"),
        ("tx_power_dbmv", 1, 60, "dBuV"),
        ("rx_power_dbmv", 1, 60, "dBuV"),
    ],
)
def test_a_wrong_unit_is_refused_with_its_likely_name(
    column: str, factor: float, offset: float, likely: str
) -> None:
    table = export()
    wrong = table.with_columns((pl.col(column) * factor + offset).alias(column))
    with pytest.raises(
        InputError, match=f"looks like {likely}; state its unit: {column}='?{likely}"
    ):
        read(wrong)
    told_right, notes = read(wrong, units={column: likely})
    assert notes == []
    expected = node(read(table)[0]).values[column]
    np.testing.assert_allclose(node(told_right).values[column], expected, atol=1e-4)


def test_a_unit_stated_in_vain_is_refused_too() -> None:
    with pytest.raises(InputError, match=r"3\.6.* dB when read as tenth dB.*looks like dB"):
        read(export(), units={"snr_db": "tenth dB"})
    for column, unit in (("snr_db", "dBmV"), ("tx_power_dbmv", "volts"), ("snr_db", "")):
        with pytest.raises(SettingError, match=f"{column} has no unit"):
            read(export(), units={column: unit})
    with pytest.raises(SettingError, match="'device_id' has no unit"):
        read(export(), units={"device_id": "dB"})


def test_the_units_of_the_mibs_are_known() -> None:
    tenths = export().with_columns(pl.col("snr_db") * 10)
    for name in ("TenthdB", "tenth dB", "0.1 dB", "tenths of dB", "tenth"):
        assert same(
            read(tenths, units={"snr_db": name})[0], read(tenths, units={"snr_db": "tenth dB"})[0]
        )


def test_received_power_beside_tenths_must_state_its_unit() -> None:
    # Near 0 dBmV, tenths pass every check of range: 4 is as good a level as 0.4.
    tenths = export().with_columns(pl.col("snr_db") * 10, (pl.col("rx_power_dbmv") * 10).round())
    with pytest.raises(InputError, match="rx_power_dbmv='tenth dBmV', or rx_power_dbmv=dBmV"):
        read(tenths, units={"snr_db": "tenth dB"})
    read(tenths, units={"snr_db": "tenth dB", "rx_power_dbmv": "dBmV"})


def test_a_column_of_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="no unit that is known explains it"):
        read(export().with_columns(tx_power_dbmv=pl.lit(-100.0)))


def test_impossible_values_are_set_aside_and_the_poll_still_counts_as_answered() -> None:
    table = with_row(export(), 4, snr_db=77.0)
    table = with_row(table, 5, snr_db=0.0, tx_power_dbmv=16.75)
    table = with_row(table, 6, rx_power_dbmv=-20.5)
    table = with_row(table, 7, tx_power_dbmv=61.25)
    telemetry, notes = read(table)
    assert told(notes) == {
        ("snr_db", "outside 0 to 50 dB"): 1,
        ("snr_db", "0, which a CMTS says where it does not know"): 1,
        ("tx_power_dbmv", "outside 17 to 61 dBmV"): 2,
        ("rx_power_dbmv", "outside -20 to 20 dBmV"): 1,
    }
    polls = node(telemetry)
    assert polls.n_polls == 96
    assert np.isnan(polls.values["snr_db"]).sum() == 2
    assert np.isnan(polls.values["tx_power_dbmv"]).sum() == 2
    limits = with_row(with_row(export(), 4, tx_power_dbmv=17.0), 9, tx_power_dbmv=61.0)
    assert read(with_row(limits, 8, rx_power_dbmv=20.0, snr_db=50.0))[1] == []


def test_some_modems_in_another_unit_are_found_out() -> None:
    is_odd = pl.col("device_id").is_in(["cm0001", "cm0002"])
    table = export().with_columns(
        pl.when(is_odd).then(pl.col("snr_db") * 10).otherwise("snr_db").alias("snr_db")
    )
    _, notes = read(table)
    (note,) = notes
    assert note.reason == "outside 0 to 50 dB (looks like tenth dB): value set aside"
    assert (note.rows, note.first_row) == (32, 17)


# --- values ----------------------------------------------------------------------------------


def test_nan_infinity_and_texts_are_missing_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    text = export().with_columns(pl.col("timestamp").dt.epoch("s")).write_csv()
    lines = text.splitlines()
    for row, cell in ((3, "NaN"), (4, "inf"), (5, "-inf"), (6, "n/a"), (7, ""), (8, " 36.5 ")):
        cells = lines[row].split(",")
        cells[4] = cell
        lines[row] = ",".join(cells)
    path.write_text("\n".join(lines))
    telemetry, notes = read(path)
    assert [(n.column, n.reason, n.rows, n.first_row, n.source) for n in notes] == [
        ("snr_db", "not a number: value set aside", 1, 6, str(path)),
        ("snr_db", "NaN or infinite: value set aside", 3, 3, str(path)),
    ]
    assert np.isnan(node(telemetry).values["snr_db"]).sum() == 5


def test_a_column_that_is_mostly_text_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        "timestamp,device_id,fnode,channel,snr_db\n"
        "2026-01-05,a,F,1,36\n2026-01-06,a,F,1,good\n2026-01-07,a,F,1,bad\n"
    )
    with pytest.raises(InputError, match=r"export\.csv, column 'snr_db', row 2: 'good' is not a"):
        read(path)


def test_constant_and_empty_channels_are_kept_and_reported() -> None:
    table = export().with_columns(
        snr_db=pl.when(pl.col("channel") == "1").then(36.0).otherwise("snr_db"),
        tx_power_dbmv=pl.when(pl.col("channel") == "2").then(None).otherwise("tx_power_dbmv"),
    )
    telemetry, notes = read(table)
    assert told(notes) == {
        ("snr_db", "always the same on 1 channel of 1 fiber node"): 96,
        ("tx_power_dbmv", "empty on 1 channel of 1 fiber node"): 96,
    }
    assert node(telemetry).channels == ("1", "2")


def test_rows_without_a_name_are_set_aside_and_unanswered_polls_are_not() -> None:
    table = with_row(export(), 0, device_id="  ")
    table = with_row(table, 5, fnode=None)
    table = with_row(with_row(table, 6, channel=None), 7, channel=None)
    telemetry, notes = read(table)
    assert told(notes) == {("device_id", "no modem"): 1, ("fnode", "no fiber node"): 1,
                           ("channel", "no channel"): 2}  # fmt: skip
    assert all(n.reason.endswith("row set aside") for n in notes)
    silent = {"snr_db": None, "tx_power_dbmv": None, "rx_power_dbmv": None}
    told_so = with_row(table.with_columns(answered=pl.lit("yes")), 7, answered="No", **silent)
    telemetry, notes = read(told_so)
    assert told(notes)["channel", "no channel"] == 1
    answered = node(telemetry).answered
    assert answered is not None
    assert (~answered).sum() == 1


def test_shared_snr_is_refused_as_the_channels_average() -> None:
    table = _shared(export(30))
    with pytest.raises(InputError, match=r"one SNR at a time.*docsIf3CmtsCmUsStatusSignalNoise"):
        read(table)


def _shared(table: pl.DataFrame) -> pl.DataFrame:
    round_ = (pl.col("timestamp").dt.epoch("s") - START_S) // 14_400
    return table.with_columns(pl.col("snr_db").first().over(round_, "channel"))


def test_shared_snr_of_one_cmts_is_set_aside() -> None:
    ours = [export().with_columns(fnode=pl.lit(f)) for f in ("F1", "F2")]
    theirs = _shared(export(30)).with_columns(
        fnode=pl.lit("F9"), device_id=pl.lit("x") + pl.col("device_id")
    )
    ours = [t.with_columns(device_id=pl.col("fnode") + pl.col("device_id")) for t in ours]
    telemetry, notes = read(pl.concat([*ours, theirs]))
    reason = "the same for all modems of the channel at a time, so not the modem's"
    assert told(notes)["snr_db", reason] == theirs.height
    assert np.isnan(node(telemetry, "F9").values["snr_db"]).all()
    assert not np.isnan(node(telemetry, "F1").values["snr_db"]).any()


def test_a_cmts_that_caps_snr_is_not_taken_for_one_that_shares_it() -> None:
    capped = export(30).with_columns(pl.col("snr_db").clip(upper_bound=34.9))
    assert (capped["snr_db"] == 34.9).mean() > 0.8  # type: ignore[operator]
    read(capped)


def test_running_totals_are_refused_and_deltas_are_not() -> None:
    deltas = export(n_rounds=12).with_columns(
        codewords_unerrored=pl.lit(5000.0) + pl.col("snr_db") * 10, t3_timeouts=pl.lit(0)
    )
    assert read(deltas)[1] == []
    totals = deltas.with_columns(
        pl.col("codewords_unerrored").cum_sum().over("device_id", "channel")
    )
    with pytest.raises(InputError, match="column 'codewords_unerrored': it only ever grows"):
        read(totals)


# --- time ------------------------------------------------------------------------------------


def test_zones_are_honoured_and_a_mix_is_counted() -> None:
    stamps = ["2026-01-05T03:00:00+02:00", "2026-01-05 01:00", "2026-01-04T20:00:00-0500",
              "2026-01-05T01:00:00.000Z", "2026-01-05 01:00:00 UTC", "2026-01-05T06:30+05:30",
              "20260105T010000Z", "1767574800", "1767574800.0"]  # fmt: skip
    n = len(stamps)
    table = pl.DataFrame({"timestamp": stamps, "device_id": [f"cm{i}" for i in range(n)],
                          "fnode": ["F1"] * n, "channel": ["1"] * n,
                          "snr_db": [30.0 + i for i in range(n)]})  # fmt: skip
    telemetry, notes = read(table)
    assert np.unique(node(telemetry).time_s).tolist() == [START_S + 3600.0]
    assert told(notes) == {("timestamp", "a stamp without a zone beside stamps with one"): 1}
    assert notes[0].first_row == 2
    zoned = table.with_columns(
        timestamp=pl.Series([datetime(2026, 1, 5, 2, tzinfo=timezone(timedelta(hours=1)))] * n)
    )
    naive = table.with_columns(timestamp=pl.Series([datetime(2026, 1, 5, 1)] * n))
    for other in (zoned, naive):
        read_again, notes = read(other)
        assert same(read_again, telemetry)
        assert notes == []


def test_dates_and_offsets_are_told_apart() -> None:
    table = export(1, 1, 1).with_columns(timestamp=pl.lit("2026-01-05"))
    assert node(read(table)[0]).time_s.tolist() == [START_S]


def test_a_day_of_daylight_saving_has_no_gap_and_no_double() -> None:
    # 2026-03-29 in Berlin: 02:00 is 03:00; exports with offsets name every quarter of an hour.
    first = datetime(2026, 3, 28, 23, tzinfo=UTC)
    berlin = [first + timedelta(minutes=15 * k) for k in range(92)]
    texts = [
        (m + timedelta(hours=1 if m.hour < 1 or m.day == 28 else 2)).strftime("%Y-%m-%dT%H:%M:%S")
        + ("+01:00" if m.hour < 1 or m.day == 28 else "+02:00")
        for m in berlin
    ]
    table = pl.DataFrame({"timestamp": texts, "device_id": "a", "fnode": "F1", "channel": "1",
                          "snr_db": np.linspace(30, 40, 92)})  # fmt: skip
    telemetry, notes = read_polls(table, now_s=NOW_S + 365 * 86_400)
    assert notes == []
    assert np.unique(np.diff(node(telemetry).time_s)).tolist() == [900.0]


@pytest.mark.parametrize(("unit", "factor"), [("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_epochs_in_other_units_are_refused_until_stated(unit: str, factor: float) -> None:
    epochs = (pl.col("timestamp").dt.epoch("s") * int(factor)).alias("timestamp")
    table = export().with_columns(epochs)
    with pytest.raises(InputError, match=f"looks like {unit}; state its unit: timestamp={unit}"):
        read(table)
    expected, _ = read(export())
    assert same(read(table, units={"timestamp": unit})[0], expected)
    as_text = table.with_columns(pl.col("timestamp").cast(pl.String))
    assert same(read(as_text, units={"timestamp": unit})[0], expected)


def test_days_since_1900_are_no_seconds() -> None:
    with pytest.raises(InputError, match="lies outside 1997 to 2100"):
        read(export().with_columns(timestamp=pl.lit(46027.5)))


def test_future_stamps_are_set_aside_from_an_hour_on() -> None:
    end_s = START_S + 7 * 14_400 + 11 * 60
    assert read(export(), now_s=end_s - 3600)[1] == []
    telemetry, notes = read(export(), now_s=end_s - 3601)
    (note,) = notes
    assert (note.rows, note.first_row) == (2, 191)
    assert note.reason.startswith("more than an hour ahead of now")
    assert node(telemetry).n_polls == 95
    with pytest.raises(InputError, match=r"no row is left: timestamp: more than an hour ahead"):
        read(export(), now_s=START_S - 90_000)


def test_stamps_that_cannot_be_are_set_aside_one_by_one() -> None:
    texts = export().with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    table = with_row(texts, 0, timestamp="1970-01-01T00:00:00Z")
    table = with_row(with_row(table, 3, timestamp="05/01/2026"), 4, timestamp=" ")
    table = with_row(with_row(table, 5, timestamp=None), 6, timestamp="0")
    assert told(read(table)[1]) == {
        ("timestamp", "no stamp"): 2,
        ("timestamp", "a stamp that cannot be read"): 1,
        ("timestamp", "a stamp before 1997"): 2,
    }


# --- rows that belong together -----------------------------------------------------------------


def test_repeated_rows_are_counted_alike_and_contradicting_apart() -> None:
    table = export()
    alike, other = table[10:15], table[20:23].with_columns(snr_db=pl.lit(33.3))
    telemetry, notes = read(pl.concat([table, alike, other]))
    keys = "fnode, device_id, timestamp, channel"
    assert [(n.column, n.reason.split(":")[0], n.rows, n.first_row) for n in notes] == [
        (keys, "told twice alike", 5, 11),
        (keys, "told again with other values", 3, 21),
    ]
    expected, _ = read(pl.concat([table[:20], other, table[23:]]))
    assert same(telemetry, expected)
    first_wins, _ = read(pl.concat([other, table]))
    assert same(first_wins, read(table)[0])


def test_a_modem_that_moved_is_counted_and_stays_with_both_nodes() -> None:
    moved = export().with_columns(
        fnode=pl.when((pl.col("device_id") == "cm0003") & (pl.col("timestamp").dt.day() > 5))
        .then(pl.lit("F2")).otherwise("fnode")
    )  # fmt: skip
    telemetry, notes = read(moved)
    (note,) = [n for n in notes if n.column == "fnode"]
    assert note.reason.startswith("1 modem was seen in several fiber nodes")
    assert note.rows == 16
    assert "cm0003" in node(telemetry, "F1").device_ids
    assert node(telemetry, "F2").device_ids == ("cm0003",)


def test_channels_stamped_one_by_one_are_one_poll() -> None:
    expected = node(read(export())[0])
    later = export().with_columns(
        pl.col("timestamp") + pl.when(pl.col("channel") == "1").then(pl.duration(seconds=-7))
        .otherwise(pl.duration(seconds=0))
    )  # fmt: skip
    telemetry, notes = read(later)
    assert {n.column: n.rows for n in notes} == {"timestamp": 96}
    polls = node(telemetry)
    assert np.array_equal(polls.time_s, expected.time_s)
    assert np.array_equal(polls.values["snr_db"], expected.values["snr_db"])
    assert same(read(pl.concat([later, later[10:30]]))[0], telemetry)


def test_the_cmts_and_the_modem_stamped_apart_are_one_poll() -> None:
    keys = ["timestamp", "device_id", "fnode", "channel"]
    cmts = export().select(*keys, "snr_db", "rx_power_dbmv")
    modem = export().select(
        pl.col("timestamp") + pl.duration(seconds=90), *keys[1:], "tx_power_dbmv"
    )
    telemetry, notes = read(pl.concat([modem, cmts], how="diagonal"))
    assert {n.column: n.rows for n in notes} == {"timestamp": 192}
    polls, expected = node(telemetry), node(read(export())[0])
    assert np.array_equal(polls.time_s, expected.time_s + 90)
    for metric, values in expected.values.items():
        assert np.array_equal(polls.values[metric], values)


def test_polls_told_twice_within_minutes_are_not_mixed() -> None:
    again = export()[:2].with_columns(
        pl.col("timestamp") + pl.duration(seconds=30), snr_db=pl.lit(31.5)
    )
    telemetry, notes = read(pl.concat([export(), again]))
    assert notes == []
    polls = node(telemetry)
    assert polls.n_polls == 97
    assert polls.values["snr_db"][1].tolist() == [31.5, 31.5]


def test_polls_too_dense_to_be_told_apart_are_refused() -> None:
    dense = export(3, 40).with_columns(
        timestamp=pl.from_epoch(
            START_S + (pl.col("timestamp").dt.epoch("s") - START_S) // 14_400 * 300
        )
    )
    with pytest.raises(InputError, match="polled every 300 s"):
        read(dense)
    rounds = ((pl.col("timestamp").dt.epoch("s") - START_S) // 300).alias("round_id")
    polls = node(read(dense.with_columns(rounds))[0])
    assert polls.round_id is not None
    assert polls.round_id[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("n_modems", [1, 5000])
def test_nodes_of_any_size(n_modems: int) -> None:
    telemetry, notes = read(export(n_modems, 2, 1).with_columns(
        pl.col("timestamp").dt.truncate("1h")
    ))  # fmt: skip
    assert notes == []
    assert node(telemetry).n_devices == n_modems


def test_coefficients_and_counters_come_along(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        "timestamp,device_id,fnode,channel,snr_db,t3_timeouts,pre_equalization\n"
        "2026-01-05T00:00Z,a,F1,1,36,2,0x08011800\n2026-01-05T00:00Z,b,F1,1,36.5,-1,08 01 18\n"
        "2026-01-05T00:00Z,c,F1,1,35,,zz\n"
    )
    telemetry, notes = read(path)
    (polls,) = telemetry.nodes(metrics=("t3_timeouts",), with_pre_equalization=True)
    np.testing.assert_array_equal(polls.values["t3_timeouts"].ravel(), [2, np.nan, np.nan])
    assert polls.pre_equalization is not None
    assert polls.pre_equalization.data == (b"\x08\x01\x18\x00", b"\x08\x01\x18")
    assert told(notes) == {("t3_timeouts", "negative count"): 1,
                           ("pre_equalization", "not hexadecimal"): 1}  # fmt: skip


def test_nothing_usable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, problem in (
        (export()[:0], "no row is left"),
        (tmp_path / "gone.csv", r"gone\.csv: no such file or folder"),
        (tmp_path / "empty", r"empty: holds no \.csv or \.parquet file"),
        (17, "a int is not a table"),
    ):
        with pytest.raises(InputError, match=problem):
            read(source)


# --- order -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), n_files=st.integers(1, 3), data=st.data())
def test_the_order_of_rows_modems_and_files_changes_nothing(
    seed: int, n_files: int, data: st.DataObject
) -> None:
    table = _messy()
    expected, expected_notes = read(table)
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=seed)
    if data.draw(st.booleans()):
        shuffled = shuffled.sort("device_id", descending=True)
    parts = [shuffled[i::n_files] for i in range(n_files)]
    telemetry, notes = read(pl.concat(parts))
    assert same(telemetry, expected)
    assert told(notes) == told(expected_notes)


def _messy() -> pl.DataFrame:
    """Return an export with something of everything but rows that contradict each other."""
    table = pl.concat([
        export(7, 5), export(3, 5, 1).with_columns(fnode=pl.lit("F2"), channel=pl.lit("9")),
    ])  # fmt: skip
    table = with_row(with_row(table, 4, snr_db=88.0), 9, tx_power_dbmv=None)
    table = with_row(with_row(table, 12, device_id=None), 15, snr_db=float("nan"))
    late = table[20:24].with_columns(pl.col("timestamp") + pl.duration(days=900))
    split = pl.col("timestamp") + pl.when(pl.col("channel") == "2").then(
        pl.duration(seconds=5)
    ).otherwise(pl.duration(seconds=0))
    return pl.concat([table.with_columns(split), table[:3], late])


def test_a_table_of_polls_reads_as_it_was_written() -> None:
    telemetry, _ = read(export())
    assert isinstance(telemetry, PollTable)
    again, notes = read(pl.concat(polls.to_table() for polls in telemetry.nodes()))
    assert same(again, telemetry)
    assert notes == []
