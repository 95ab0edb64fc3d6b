"""faultsight diagnose: from raw polls and tickets to a list of whom to send where."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from faultsight.cli import app
from faultsight.cli._diagnosis_found import Found, WatchedTelemetry
from faultsight.cli._diagnosis_json import diagnosis_document, diagnosis_json
from faultsight.cli._diagnosis_text import print_found
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.diagnose import DIAGNOSERS
from faultsight.diagnose.contract import DAY_S, Diagnosis, NodeDiagnosis, Verdict
from faultsight.diagnose.faults import (
    Fault,
    FaultMember,
    dispatch_list,
    faults_from_json,
    with_tickets,
)
from faultsight.diagnose.telapart import TelApart
from faultsight.sim.cable_plant import CablePlantConfig, write_plant

NAMES = {"timestamp": "polled", "device_id": "mac", "fnode": "node", "channel": "us",
         "snr_db": "SNR", "tx_power_dbmv": "Tx"}  # fmt: skip
MAPS = [word for ours, theirs in NAMES.items() for word in ("--map", f"{ours}={theirs}")]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small fiber nodes in which much goes wrong for two weeks."""
    folder = tmp_path_factory.mktemp("plant")
    config = CablePlantConfig(
        n_fnodes=2, days=14, modems=(40, 50), fault_modems=(8, 20), maintenance_rate=4.0,
        service_call_share=0.9, maintenance_call_share=0.5,
    )  # fmt: skip
    write_plant(config, folder, seed=3)
    return folder


@pytest.fixture(scope="module")
def first_run(plant: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """The first run of a newcomer: what it printed, its JSON, and its folder."""
    out = tmp_path_factory.mktemp("out")
    outcome = diagnose(
        plant / "telemetry", "--tickets", plant / "tickets.csv", "--topology",
        plant / "topology.csv", "--model", out / "model.json", "--json", out / "first.json",
        "--report", out / "report.html",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    return outcome, json.loads((out / "first.json").read_text()), out


def diagnose(*words: object, columns: int = 80) -> Any:
    result = CliRunner().invoke(
        app, ["diagnose", *map(str, words)], env={"COLUMNS": str(columns), "TERM": "dumb"}
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def verdicts(document: Any) -> dict[tuple[str, str], str]:
    return {(row["device_id"], row["end"]): row["verdict"] for row in document["verdicts"]}


def export(plant: Path, *, factor: float = 10.0) -> pl.DataFrame:
    """Return the plant's polls as a management system would export them."""
    table = pl.concat(n.to_table() for n in TelemetryFolder(plant / "telemetry").nodes())
    return table.select(
        pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S").alias("polled"),
        pl.col("device_id").alias("mac"), pl.col("fnode").alias("node"),
        pl.col("channel").alias("us"), (pl.col("snr_db") * factor).round(1).alias("SNR"),
        pl.col("tx_power_dbmv").alias("Tx"),
    )  # fmt: skip


def test_the_first_run_says_what_was_used_learned_and_found(first_run: Any, plant: Path) -> None:
    outcome, document, out = first_run
    text = outcome.stdout
    read = document["read"]
    assert f"read      2 fiber nodes, {read['modems']} modems, 3 channels" in text
    tickets = pl.read_csv(plant / "tickets.csv")
    assert document["tickets"]["read"] == tickets.height
    assert document["tickets"]["open"] == tickets["closed"].null_count()
    assert re.search(rf"tickets +{tickets.height}: \d+ maintenance, \d+ service", text)
    for feature in ("snr", "tx power", "missing"):
        (line,) = re.findall(rf"^    {feature} .*", text, re.M)
        assert re.search(r"similarity \d\.\d\d", line)
    for name, count in document["counts"].items():
        assert re.search(rf"^    {name} +{count:,} +\d", text, re.M)
    assert "whom to send where: " in text
    assert f"model: {out / 'model.json'}" in text.replace("\n", "")
    assert outcome.stderr.count("diagnosed FN00") == 2
    assert "diagnosed FN" not in text


def test_every_verdict_names_its_evidence(first_run: Any) -> None:
    _, document, _ = first_run
    rows, groups = document["verdicts"], document["groups"]
    faults = {fault["fault_id"]: fault for fault in document["faults"]["faults"]}
    assert len(document["windows"]) == 7
    counted = dict.fromkeys(document["counts"], 0)
    for row in rows:
        counted[row["verdict"]] += 1
        assert ("groups" in row) == (row["verdict"] in ("maintenance", "service"))
        for place in row.get("groups", ()):
            group = groups[place]
            assert row["device_id"] in group["members"]
            assert (group["fnode"], group["end"]) == (row["fnode"], row["end"])
            assert len(group["anomalous"]) == group["n_anomalous"]
        if "groups" in row:
            assert row["verdict"] in {groups[place]["verdict"] for place in row["groups"]}
            fault = faults[row["fault_id"]]
            assert row["device_id"] in {member[0] for member in fault["members"]}
            assert row["first_seen"] <= row["end"]
            mine = {t["ticket_id"] for t in fault["tickets"] if t["device_id"] == row["device_id"]}
            assert set(row["tickets"]) == mine
    assert counted == document["counts"]
    assert counted["maintenance"] > 0
    assert counted["service"] > 0
    assert any(fault["tickets"] for fault in faults.values())
    ranked = [line["fault_id"] for line in document["dispatch"]]
    assert sorted(ranked) == sorted(faults)
    assert document["versions"]["faultsight"]
    assert document["thresholds"]["snr"]["anomalous_from"]["value"] > 0


def test_rates_are_those_of_the_verdicts_and_tickets_that_are_told(
    first_run: Any, plant: Path
) -> None:
    outcome, document, _ = first_run
    told = document["ticket_rates"]
    faulty = ("maintenance", "service")
    hours = dict.fromkeys(("all", *faulty), 0.0)
    calls = {(kind, at): 0 for kind in "ms" for at in hours}
    days: dict[str, list[tuple[str, str, str]]] = {}
    for row in document["verdicts"]:
        days.setdefault(row["device_id"], []).append((row["start"], row["end"], row["verdict"]))
        for at in ("all", row["verdict"]):
            hours[at] = hours.get(at, 0.0) + row["covered_h"]
    n_tickets = n_learned_from = 0
    for ticket in pl.read_csv(plant / "tickets.csv").to_dicts():
        opened = ticket["opened"].replace("Z", "+00:00")
        for start, end, verdict in days.get(ticket["device_id"], ()):
            if start <= opened < end:
                n_tickets += 1
                n_learned_from += opened < document["tuned_on"]["end"]
                for at in ("all", verdict):
                    key = (ticket["kind"][0], at)
                    calls[key] = calls.get(key, 0) + 1
    assert (told["tickets"], told["learned_from"]) == (n_tickets, n_learned_from)
    assert told["is_independent"] == (n_learned_from == 0)
    assert told["in_faults"] == sum(n for (_, at), n in calls.items() if at in faulty) > 0
    value = {}
    for kind in "ms":
        by_chance = calls[kind, "all"] / hours["all"]
        for verdict in faulty:
            name = kind + verdict[0].upper()
            value[name] = calls[kind, verdict] / hours[verdict] / by_chance
            assert told["rates"][name]["value"] == pytest.approx(value[name], rel=1e-3)
    for name, difference in told["invariants"].items():
        minuend, subtrahend = name.split(" - ")
        expected = value[minuend] - value[subtrahend]
        assert difference["value"] == pytest.approx(expected, rel=1e-3, abs=1e-3)
        assert (difference["low"], difference["high"]) == (None, None), "there are two fiber nodes"
    assert told["hold"] == sum(one["value"] > 0 for one in told["invariants"].values())
    assert told["surely"] is None
    words = " ".join(outcome.stdout.split())
    assert f"maintenance tickets gather {value['mM']:.1f} times as densely as by chance" in words
    assert f"{told['hold']} of 4 invariants hold ({n_tickets} tickets, " in words
    faults = faults_from_json(json.dumps(document["faults"]))
    for name, figures in document["fault_figures"].items():
        mine = [f for f in faults if f.verdict == Verdict[name.upper()]]
        shares = sorted(len({t.device_id for t in f.tickets}) / len(f.members) for f in mine)
        assert figures["faults"] == len(mine)
        assert figures["reporting_share_median"] == pytest.approx(
            (shares[(len(mine) - 1) // 2] + shares[len(mine) // 2]) / 2, rel=1e-5
        )
        assert figures["reported_share"] == pytest.approx(
            sum(bool(f.tickets) for f in mine) / len(mine), rel=1e-5
        )


def by_hand(*, tuned_on: TimeWindow | None, opened_h: float = 6.0, n_fnodes: int = 6) -> Found:
    """Return fiber nodes of three modems, of which one suffers in the day diagnosed, and calls.

    In each there is a fault of two members that began the day before.
    """
    start_s = 20_000 * DAY_S
    span = TimeWindow(start_s, start_s + DAY_S)
    times = start_s + np.arange(6) * 14_400.0
    polls, nodes, faults = [], [], []
    for i in range(n_fnodes):
        ids = tuple(f"m{i}{letter}" for letter in "abc")
        polls.append(NodePolls(f"F{i}", ids, ("1",), np.arange(4) * 6, np.tile(times, 3),
                               {"snr_db": np.full((18, 1), 36.0, np.float32)}))  # fmt: skip
        verdict = np.array([Verdict.SERVICE, Verdict.HEALTHY, Verdict.HEALTHY], np.int8)
        nodes.append(NodeDiagnosis(f"F{i}", span, ids, verdict, np.full(3, float(DAY_S))))
        faults.append(Fault(f"f{i}", f"F{i}", Verdict.SERVICE, tuple(
            FaultMember(d, start_s - DAY_S, span.end_s, 2) for d in ids[:2]
        ), start_s - DAY_S, span.end_s, True, (span,), 250, 0, ()))  # fmt: skip
    opened = datetime.fromtimestamp(start_s + opened_h * 3600, UTC).isoformat()
    tickets = read_tickets(pl.DataFrame([
        {"ticket_id": f"t{i}", "device_id": f"m{i}a", "opened": opened, "closed": None,
         "kind": "service"} for i in range(n_fnodes)
    ], schema_overrides={"closed": pl.String}))  # fmt: skip
    watched = WatchedTelemetry(PollTable(polls))
    assert len(list(watched.nodes())) == n_fnodes
    faults = with_tickets(faults, tickets)
    return Found(watched, [], span, tuned_on, DIAGNOSERS.load("majority")(),
                 Diagnosis("majority", tuple(nodes), (span,)), faults, dispatch_list(faults),
                 tickets)  # fmt: skip


def words_of(found: Found) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_found(console, found, top=10)
    return " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


def test_rates_by_hand_and_what_was_learned_from_is_no_evidence() -> None:
    found = by_hand(tuned_on=None)
    document = diagnosis_document(found)
    # A ticket in each day of a modem with the verdict, where chance has one in three.
    three, none = ({"value": 3.0, "low": 3.0, "high": 3.0}, dict.fromkeys(("value", "low", "high")))
    assert document["ticket_rates"] == {
        "tickets": 6, "in_faults": 6, "learned_from": 0, "is_independent": True, "fnodes": 6,
        "rates": {"mM": none, "mS": none, "sM": none, "sS": three},
        "invariants": dict.fromkeys(("mM - sM", "mM - mS", "sS - mS", "sS - sM"), none),
        "told": 0, "hold": 0, "surely": None,
    }  # fmt: skip
    assert document["fault_figures"]["service"] == {
        "faults": 6, "duration_h_median": 48.0, "duration_h_p80": 48.0, "reported_share": 1.0,
        "reported_within_24_h": 0.0, "reported_within_24_h_of_reported": 0.0,
        "at_most_10_percent_call": 0.0, "reporting_share_median": 0.5, "reporting_share_p90": 0.5,
        "tickets": 6, "wrong_tickets": 0, "wrong_ticket_share": 0.0,
    }  # fmt: skip
    assert document["fault_figures"]["maintenance"]["duration_h_median"] is None
    assert json.loads(diagnosis_json(found)) == document, "NaN is null"
    text = words_of(found)
    assert "service tickets gather 3.0 times as densely as by chance where service is" in text
    assert ("6 service faults: 100 % were reported, 0 % within a day; of a fault's customers 50 % "
            "call (median; in 90 % of faults at most 50 %)") in text  # fmt: skip
    assert "evidence" not in text

    learned = by_hand(tuned_on=found.span)
    told = diagnosis_document(learned)["ticket_rates"]
    assert (told["learned_from"], told["is_independent"]) == (6, False)
    assert told["rates"] == document["ticket_rates"]["rates"]
    assert ("6 of the 6 tickets are no independent evidence: thresholds were learned from them."
            ) in words_of(learned)  # fmt: skip


def test_without_a_ticket_of_the_time_nobody_is_said_to_be_silent() -> None:
    later = by_hand(tuned_on=None, opened_h=24.0)
    document = diagnosis_document(later)
    assert document["ticket_rates"] is None
    figures = document["fault_figures"]["service"]
    assert (figures["faults"], figures["duration_h_p80"]) == (6, 48.0)
    del figures["faults"], figures["duration_h_median"], figures["duration_h_p80"]
    assert set(figures.values()) == {None}
    assert "no ticket of a diagnosed modem was opened in this time" in words_of(later)
    without = replace(later, tickets=None)
    assert diagnosis_document(without)["ticket_rates"] is None
    text = words_of(without)
    assert "was opened in this time" not in text
    assert "were reported" not in text


def test_the_list_and_the_faults_bear_the_ids_of_the_json(first_run: Any) -> None:
    outcome, document, _ = first_run
    lines = outcome.stdout.splitlines()
    ranked = [line["fault_id"] for line in document["dispatch"] if line["advice"] != "ended"]
    told = [m[0] for line in lines if (m := re.search(r"F[0-9a-f]{11}(?= \|)", line))]
    assert told == ranked[:10]
    table = [line.split()[0] for line in lines if re.match(r"F[0-9a-f]{11} ", line)]
    assert table == [line["fault_id"] for line in document["dispatch"]][:20]


def test_from_the_second_run_on_the_model_is_enough(first_run: Any, plant: Path) -> None:
    _, document, out = first_run
    words = ("--model", out / "model.json", "--topology", plant / "topology.csv")
    outcome = diagnose(plant / "telemetry", *words, "--json")
    again = json.loads(outcome.stdout)
    assert verdicts(again) == verdicts(document)
    assert again["tuned_on"] is None
    assert again["thresholds"] == document["thresholds"]
    assert "learned in an earlier run" in diagnose(plant / "telemetry", *words).stdout


def test_nothing_of_what_is_diagnosed_is_learned_from(plant: Path, tmp_path: Path) -> None:
    tickets = pl.read_csv(plant / "tickets.csv")
    until = "2026-01-15T00:00"
    early = tickets.filter(pl.col("opened") < "2026-01-12T00:00:00Z")
    assert 0 < early.height < tickets.height
    early.write_csv(tmp_path / "early.csv")
    models = []
    for name, table in (("all", plant / "tickets.csv"), ("early", tmp_path / "early.csv")):
        model = tmp_path / f"{name}.json"
        outcome = diagnose(plant / "telemetry", "--tickets", table, "--model", model,
                           "--days", 3, "--until", until)  # fmt: skip
        assert outcome.exit_code == 0
        models.append(model.read_bytes())
    assert models[0] == models[1]


def test_faults_go_on_under_their_ids(plant: Path, first_run: Any, tmp_path: Path) -> None:
    _, _, out = first_run
    words = (plant / "telemetry", "--model", out / "model.json", "--json")
    known = tmp_path / "known.json"
    assert diagnose(*words, known, "--until", "2026-01-17T00:00").exit_code == 0
    later = tmp_path / "later.json"
    assert diagnose(*words, later, "--days", 3, "--faults", known).exit_code == 0
    before, after = (json.loads(path.read_text()) for path in (known, later))
    ongoing = {f["fault_id"] for f in before["faults"]["faults"] if f["is_ongoing"]}
    told = {f["fault_id"] for f in after["faults"]["faults"]}
    assert ongoing
    assert ongoing <= told
    grown = [f for f in after["faults"]["faults"] if f["fault_id"] in ongoing and f["is_ongoing"]]
    assert grown
    # A file of faults alone is read as well.
    alone = tmp_path / "faults.json"
    alone.write_text(json.dumps(before["faults"]))
    assert len(faults_from_json(alone.read_text())) == len(before["faults"]["faults"])
    again = diagnose(*words[:-1], "--days", 3, "--faults", alone, "--json")
    assert json.loads(again.stdout)["faults"] == after["faults"]


def test_an_export_with_other_names_and_units_gets_the_same_verdicts(
    first_run: Any, plant: Path, tmp_path: Path
) -> None:
    _, document, out = first_run
    path = tmp_path / "export.csv"
    table = export(plant)
    broken = table[:2].with_columns(mac=pl.lit(""))
    pl.concat([table, broken]).write_csv(path)
    words = [path, "--model", out / "model.json"]
    refused = diagnose(*words)
    assert refused.exit_code == 3
    assert "--map device_id=mac --map fnode=node --map channel=us" in refused.stderr
    refused = diagnose(*words, *MAPS)
    assert refused.exit_code == 3
    assert "looks like tenth dB; state its unit: snr_db='tenth dB'" in refused.stderr
    outcome = diagnose(*words, *MAPS, "--units", "snr_db=tenth dB", "--json", tmp_path / "x.json")
    assert outcome.exit_code == 0
    again = json.loads((tmp_path / "x.json").read_text())
    assert verdicts(again) == verdicts(document)
    assert "device_id: no modem: row set aside (2 rows, first" in outcome.stdout
    assert [(q["column"], q["rows"]) for q in again["quarantined"]] == [("device_id", 2)]
    assert "--units 'snr_db=tenth dB'" in outcome.stdout


def test_of_a_folder_the_good_files_are_answered_and_the_code_tells(
    first_run: Any, plant: Path, tmp_path: Path
) -> None:
    _, _, out = first_run
    export(plant, factor=1.0).write_parquet(tmp_path / "good.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nonsense")
    outcome = diagnose(tmp_path, "--model", out / "model.json", *MAPS)
    assert outcome.exit_code == 3
    assert "file set aside" in outcome.stdout
    assert "bad.parquet" in outcome.stdout.replace("\n", "").replace(" ", "")
    assert "whom to send where" in outcome.stdout


def test_json_to_standard_output_is_alone_there(first_run: Any, plant: Path) -> None:
    _, _, out = first_run
    outcome = diagnose(plant / "telemetry", "--model", out / "model.json", "--days", 1, "--json")
    document = json.loads(outcome.stdout)
    assert document["format"] == "faultsight diagnosis 1"
    assert len(document["windows"]) == 1


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(first_run: Any, plant: Path, columns: int) -> None:
    _, _, out = first_run
    outcome = diagnose(
        plant / "telemetry", "--model", out / "model.json", "--topology", plant / "topology.csv",
        columns=columns,
    )  # fmt: skip
    paths = ("model: ", "report: ", "next: ")
    for line in outcome.stdout.splitlines():
        assert line.startswith(paths) or len(line) <= columns, line
    table = [line for line in outcome.stdout.splitlines() if re.match(r"F[0-9a-f]{11} ", line)]
    assert table
    # A row that went on in a second line would not end with its number of tickets.
    assert all(re.search(r" [hd]\+? +\d+$", line) for line in table)


def test_hostile_names_neither_steer_the_terminal_nor_crash(
    first_run: Any, plant: Path, tmp_path: Path
) -> None:
    _, _, out = first_run
    path = tmp_path / "export.parquet"
    name = "[red]\x1b[31mF1[/nonsense]"
    table = export(plant, factor=1.0).with_columns(node=pl.lit(name))
    table = table.with_columns(mac=pl.lit("[b]\x1b]0;x\x07") + pl.col("mac"))
    table.write_parquet(path)
    outcome = diagnose(path, "--model", out / "model.json", *MAPS)
    assert outcome.exit_code == 0
    assert "\x1b" not in outcome.stdout
    assert "[red]\\x1b[31mF1" in outcome.stdout.replace("\n    ", "")


def test_tickets_of_modems_that_are_not_polled_are_counted(plant: Path, tmp_path: Path) -> None:
    tickets = pl.read_csv(plant / "tickets.csv")
    strange = tickets.with_columns(
        pl.col("ticket_id") + "x", device_id=pl.col("device_id").str.to_uppercase() + "-"
    )
    pl.concat([tickets[:5], strange]).write_csv(tmp_path / "tickets.csv")
    outcome = diagnose(plant / "telemetry", "--tickets", tmp_path / "tickets.csv", "--fnodes",
                       "FN001", "--days", 1, "--json", tmp_path / "x.json")  # fmt: skip
    assert outcome.exit_code == 0
    text = " ".join(outcome.stdout.split())
    assert f"{tickets.height} passed over: their modems were not polled" in text
    assert "are modems named alike?" in text
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["tickets"]["of_unknown_modems"] == tickets.height
    assert re.search(r"learned from [1-5] tickets?, ", text), "of the modems that were polled"
    assert {row["fnode"] for row in document["verdicts"]} == {"FN001"}


def test_tickets_and_topology_with_macs_in_another_notation_meet_their_modems(
    first_run: Any, plant: Path, tmp_path: Path
) -> None:
    _, document, _ = first_run
    pairs = pl.col("device_id").str.to_uppercase().str.replace_all("(..)", "$1-").str.head(17)
    for name in ("tickets", "topology"):
        pl.read_csv(plant / f"{name}.csv", infer_schema=False).with_columns(pairs).write_csv(
            tmp_path / f"{name}.csv"
        )
    outcome = diagnose(
        plant / "telemetry", "--tickets", tmp_path / "tickets.csv", "--topology",
        tmp_path / "topology.csv", "--json", tmp_path / "x.json",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    again = json.loads((tmp_path / "x.json").read_text())
    assert again["faults"] == document["faults"]
    assert again["thresholds"] == document["thresholds"]
    assert again["tickets"] == document["tickets"]
    assert again["topology"] == document["topology"]


def test_tickets_that_cannot_be_used_are_set_aside_and_counted(plant: Path, tmp_path: Path) -> None:
    tickets = pl.read_csv(plant / "tickets.csv", infer_schema=False)
    row = pl.int_range(pl.len())
    late = pl.when(row == 3).then(pl.lit("2031-01-01T00:00Z"))
    told_again = tickets[4:6]
    pl.concat([tickets, told_again]).with_columns(
        kind=pl.when(row == 1).then(pl.lit("billing")).when(row == 2).then(
            pl.col("kind").str.to_uppercase()).otherwise("kind"),
        opened=late.when(row == 6).then(pl.lit("2026-01-06 00:00")).otherwise("opened"),
        closed=pl.when(row == 3).then(None).otherwise("closed"),
    ).write_csv(tmp_path / "tickets.csv")  # fmt: skip
    outcome = diagnose(plant / "telemetry", "--tickets", tmp_path / "tickets.csv", "--days", 1,
                       "--json", tmp_path / "x.json", "--report", tmp_path / "report.html",
                       columns=200)  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    assert "such as 'billing': ticket set aside (1 row, first 2 of " in outcome.stdout
    again = "an earlier row of a ticket that is told again: ticket set aside"
    assert f"ticket_id: {again} (2 rows, first 5 of " in outcome.stdout
    assert "1 opened after the last poll, not learned from" in outcome.stdout
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["tickets"]["read"] == tickets.height - 1
    assert (document["tickets"]["after_last_poll"], document["tickets"]["set_aside"]) == (1, 3)
    notes = {note["reason"]: note for note in document["quarantined"]}
    assert (notes[again]["rows"], notes[again]["first_row"]) == (2, 5)
    naive = "a stamp without a zone beside stamps with one: read as UTC"
    assert f"opened: {naive} (1 row, first 7 of " in outcome.stdout
    assert (notes[naive]["column"], notes[naive]["rows"]) == ("opened", 1)
    page = (tmp_path / "report.html").read_text()
    assert f"2 rows of tickets, first 5: ticket_id: {again}." in page
    assert "1 row of tickets, first 2: kind: a kind that is neither" in page
    assert f"1 row of tickets, first 7: opened: {naive}." in page


def test_a_topology_that_contradicts_the_polls_is_said(
    first_run: Any, plant: Path, tmp_path: Path
) -> None:
    _, document, out = first_run
    assert document["topology"]["in_another_fnode"] == 0
    table = pl.read_csv(plant / "topology.csv", infer_schema=False)
    moved = table.with_columns(
        fnode=pl.lit("ZZ"), amplifier=pl.lit(""), amplifier_parent=pl.lit("")
    )
    moved.write_csv(tmp_path / "topology.csv")
    outcome = diagnose(plant / "telemetry", "--model", out / "model.json", "--days", 1,
                       "--topology", tmp_path / "topology.csv", columns=200)  # fmt: skip
    n_modems = document["read"]["modems"]
    assert f"{n_modems} of them in another fiber node than their polls" in outcome.stdout


def test_since_before_the_first_poll_is_said_and_cut(
    first_run: Any, plant: Path, tmp_path: Path
) -> None:
    _, _, out = first_run
    outcome = diagnose(plant / "telemetry", "--model", out / "model.json", "--since", "0001-01-02",
                       "--step", 96, "--json", tmp_path / "x.json", columns=200)  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    assert "--since is before the first poll: diagnosed from 2026-01-05" in outcome.stdout
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["diagnosed"]["start"] == document["read"]["start"]
    assert len(document["windows"]) == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--mode", "paper"), "CableMon: "),
        (("--method", "majority"), "majority has no threshold to show"),
        (("--method", "random_verdict", "--set", "seed=7"), "service share 0."),
        (("--set", "quorum=0.25", "--set", "features=snr,missing"), "snr "),
    ],
)
def test_the_papers_mode_peers_and_settings(
    plant: Path, words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    target = tmp_path / "x.json"
    outcome = diagnose(plant / "telemetry", "--tickets", plant / "tickets.csv", "--days", 2,
                       "--json", target, *words)  # fmt: skip
    assert outcome.exit_code == 0
    assert told in outcome.stdout
    document = json.loads(target.read_text())
    if words[0] == "--method":
        assert document["method"] == words[1]
        assert "--model" not in outcome.stdout
    if "--set" in words and words[0] == "--set":
        assert document["settings"]["quorum"] == 0.25
        assert "tx power" not in outcome.stdout.split("verdicts by")[0]
    if words[0] == "--mode":
        assert document["settings"]["evidence"] == "paper"


def test_windows_are_cut_as_asked(first_run: Any, plant: Path) -> None:
    _, _, out = first_run
    words = (plant / "telemetry", "--model", out / "model.json", "--json")
    spans = {}
    for name, more in {
        "since": ("--since", "2026-01-14", "--until", "2026-01-16T12:00+02:00", "--step", 12),
        "days": ("--days", 2, "--until", "2026-01-16T10:00"),
    }.items():
        document = json.loads(diagnose(*words, *more).stdout)
        spans[name] = [(w["start"], w["end"]) for w in document["windows"]]
    day = "2026-01-{}:00:00+00:00".format
    starts = (("14T10", "15T10"), ("14T22", "15T22"), ("15T10", "16T10"))
    assert spans["since"] == [(day(start), day(end)) for start, end in starts]
    assert spans["days"] == [(day("14T10"), day("15T10")), (day("15T10"), day("16T10"))]


def test_a_model_is_never_written_over_something_else(plant: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tickets.csv"
    copy.write_bytes((plant / "tickets.csv").read_bytes())
    outcome = diagnose(plant / "telemetry", "--tickets", copy, "--model", copy)
    assert outcome.exit_code == 2
    assert "is there and is no model" in outcome.stderr
    assert copy.read_bytes() == (plant / "tickets.csv").read_bytes()


def test_the_model_of_a_run_is_one_that_python_reads(first_run: Any) -> None:
    _, document, out = first_run
    model = TelApart.load(out / "model.json")
    assert model.scores["snr"].value == document["thresholds"]["snr"]["anomalous_from"]["value"]
    assert set(model.rhythms) == {"FN000", "FN001"}


def test_the_report_is_written(first_run: Any) -> None:
    _, document, out = first_run
    page = (out / "report.html").read_text(encoding="utf-8")
    assert document["dispatch"][0]["fault_id"] in page
    listed = page.split("id=dispatch", 1)[1].split("</section>", 1)[0]
    first_seen = {f["fault_id"]: f["start_s"] for f in document["faults"]["faults"]}
    for line in document["dispatch"]:
        if line["advice"] == "send":
            told = datetime.fromtimestamp(first_seen[line["fault_id"]], UTC)
            assert f"{told:%Y-%m-%d %H:%M}" in listed
    assert "<script" not in page


def test_a_modem_that_is_dead_for_days_has_a_section(
    first_run: Any, plant: Path, tmp_path: Path
) -> None:
    """Nothing of it is in what is drawn."""
    _, document, out = first_run
    table = export(plant, factor=1.0)
    healthy = {
        device for device, count in pl.DataFrame(
            [(row["device_id"], row["verdict"] == "healthy") for row in document["verdicts"]],
            schema=["device", "is_healthy"], orient="row",
        ).group_by("device").agg(pl.col("is_healthy").sum()).iter_rows()
        if count == len(document["windows"])
    }  # fmt: skip
    dead = min(healthy)
    gone = table.filter((pl.col("mac") != dead) | (pl.col("polled") < "2026-01-08"))
    gone.write_csv(tmp_path / "export.csv")
    outcome = diagnose(
        tmp_path / "export.csv", "--model", out / "model.json", *MAPS, "--report",
        tmp_path / "report.html", "--json", tmp_path / "x.json",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    faults = json.loads((tmp_path / "x.json").read_text())["faults"]["faults"]
    mine = [f for f in faults if [m[0] for m in f["members"]] == [dead]]
    assert mine
    assert f"<article id={mine[0]['fault_id']}" in re.sub(
        "[\"']", "", (tmp_path / "report.html").read_text()
    )


def test_a_report_that_fails_loses_nothing_else(
    first_run: Any, plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("faultsight.diagnose.report.write_report", fail)
    _, _, out = first_run
    outcome = diagnose(plant / "telemetry", "--model", out / "model.json", "--days", 2, "--report",
                       tmp_path / "report.html", "--json", tmp_path / "x.json")  # fmt: skip
    assert outcome.exit_code == 5
    assert "whom to send where" in outcome.stdout
    assert json.loads((tmp_path / "x.json").read_text())["verdicts"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("PNM", 2, "give --tickets to learn from them, or --model"),
        ("", 2, "Missing argument"),
        ("PNM --tickets TICKETS --method skan", 2, "no diagnoser is called 'skan'"),
        ("PNM --tickets TICKETS --set nonsense=1", 2, "no setting 'nonsense'"),
        ("PNM --tickets TICKETS --set clustering=ward", 2, "clustering is one of"),
        ("PNM --tickets TICKETS --mode wild", 2, "Invalid value"),
        ("PNM --tickets TICKETS --method majority --mode paper", 2, "has one mode"),
        ("PNM --tickets TICKETS --method majority --model M", 2, "only telapart"),
        ("PNM --tickets TICKETS --days 2 --since 2026-01-10", 2, "either --since or"),
        ("PNM --tickets TICKETS --since yesterday", 2, "neither an ISO time"),
        ("PNM --tickets TICKETS --map snr", 2, "not of the form NAME=VALUE"),
        ("PNM --tickets TICKETS --map snr_db=a --map snr_db=b", 2, "--map: snr_db is told twice"),
        ("TICKETS --model MODEL --map snr_db=x --map tx_power_dbmv=x", 2, "'x' cannot be both"),
        ("TICKETS --model MODEL --map snr_db=tx_power_dbmv", 2, "'tx_power_dbmv' cannot be both"),
        ("PNM --tickets TICKETS --set look_back_s=1", 2, "look_back_s is at least 3600 seconds"),
        ("PNM --model MODEL --report FOLDER", 2, "is a folder; name a file in it"),
        ("PNM --model EMPTY", 3, "cannot be read as a model: its format is not"),
        ("PNM --tickets SEMICOLONS", 3, "columns are separated by semicolons"),
        ("PNM --tickets TABS", 3, "columns are separated by tabs"),
        ("PNM --tickets UTF16", 3, "the text is UTF-16"),
        ("PNM --model MODEL --topology SEMICOLONS", 3, "columns are separated by semicolons"),
        ("PNM --tickets TICKETS --units snr_db=dB", 2, "columns and units are known"),
        ("PNM --tickets TICKETS --fnodes FN01", 2, "no fiber node 'FN01'"),
        ("PNM --model MODEL --set quorum=1", 2, "the settings are the model's"),
        ("PNM --model nowhere.json", 3, "no such file; the first time"),
        ("PNM --model TICKETS", 3, "cannot be read as a model"),
        ("PNM --model MODEL --faults MODEL", 3, "its format is not"),
        ("PNM --model MODEL --faults TICKETS", 3, "cannot be read as JSON"),
        ("PNM --model MODEL --since 2031-01-01", 3, "no poll between"),
        ("PNM --model MODEL --since 2026-01-18T20:00", 3, "looks at 24 hours"),
        ("PNM --tickets TICKETS --days 99", 3, "to learn from"),
        ("PNM --tickets TOPOLOGY", 3, "no such column"),
        ("PNM --model MODEL --topology TICKETS", 3, "column 'fnode'"),
        ("FOLDER --model MODEL", 3, "the polls are in its folder"),
        ("/no/such --model MODEL", 3, "no such file or folder"),
        ("PNM --model MODEL --days 1 --report TICKETS/x.html", 5, "tickets.csv"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    plant: Path, first_run: Any, words: str, code: int, told: str, tmp_path: Path
) -> None:
    foreign = {"SEMICOLONS": b"a;b\n1;2\n", "TABS": b"a\tb\n1\t2\n",
               "UTF16": "a,b\n1,2\n".encode("utf-16"), "EMPTY": b"{}"}  # fmt: skip
    for name, content in foreign.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    made: dict[str, Path] = {name: tmp_path / f"{name}.csv" for name in foreign}
    made |= {"PNM": plant / "telemetry", "TICKETS": plant / "tickets.csv", "FOLDER": plant,
            "TOPOLOGY": plant / "topology.csv", "MODEL": first_run[2] / "model.json"}  # fmt: skip
    filled = []
    for word in words.split():
        head, slash, tail = word.partition("/")
        filled.append(f"{made[head]}{slash}{tail}" if head in made else word)
    outcome = diagnose(*filled, columns=200)
    assert outcome.exit_code == code, outcome.output
    assert told in outcome.stderr
    assert "Traceback" not in outcome.stderr
