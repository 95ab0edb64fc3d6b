"""Write the tables of the documentation from the results that ``faultsight bench run`` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from faultsight.bench.engine import load_scenario, read_result
from faultsight.bench.scenarios.detect_leaderboard import ranking_of

REPORTS = Path(__file__).parents[1] / "benchmarks" / "reports"


def results_page() -> list[str]:
    """Return the page that shows every published result."""
    lines = [
        "# Published results",
        "",
        "Made from the files in `benchmarks/reports/`, which `make benchmarks` writes.",
    ]
    real = published_rows("localize-accuracy")
    simulated = published_rows("localize-accuracy-simulated")
    lines += ["", "## Accuracy: F1, one parameter set for all data", "", *f1_table(real)]
    lines += ["", "## Accuracy on 100 fresh simulated cases a set: F1", "", *f1_table(simulated)]
    lines += ["", "## The scan in detail", "", *_scan_table([*real, *simulated])]
    lines += ["", "## Squeeze's set by layer and number of roots: F1", "", *_group_table(real)]
    lines += ["", "## Seconds a case, median", "", *_pivot(_whole(real), "seconds_median")]
    lines += ["", "## Ablation of RAPMiner", "", *_plain("localize-ablation")]
    lines += ["", "## Speed", "", *_plain("localize-speed")]
    lines += ["", "## Streams", "", *_plain("localize-stream")]
    lines += ["", "## Detection: the sets, as the paper's Table 3 describes its own", ""]
    lines += datasets_table()
    lines += ["", "## Detection: tuned by marks", "", *feedback_table(_FEEDBACK)]
    lines += ["", "## Detection: each layer alone", "", *_layers_table()]
    lines += ["", "## Detection: every method tuned by both kinds of marks, by its own way", ""]
    lines += _own_ways_table()
    lines += ["", "## Detection: AnoTuner with one piece changed at a time", ""]
    lines += _plain("detect-ablation", read_scenario("detect-ablation"))
    lines += ["", "## Detection: some methods, untuned, on whole test parts of all entities", ""]
    lines += _base_table(published_rows("detect-base"))
    if (REPORTS / "detect-leaderboard.json").is_file():
        lines += ["", "## Detection: all methods, untuned, on whole test parts", ""]
        lines += _base_table(published_rows("detect-leaderboard"))
    lines += ["", "## Detection: speed", "", *_plain("detect-speed")]
    lines += ["", "## Detection: speed beside a GPU, on another machine", ""]
    lines += _plain("detect-speed-gpu")
    for name in _DIAGNOSIS:
        if (REPORTS / f"{name}.json").is_file():
            title = name.partition("-")[2]
            lines += ["", f"## Diagnosis: {title}", "", *_plain(name, read_scenario(name))]
    return lines


def f1_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return F1 of every method on every whole dataset, the best mean first."""
    return _pivot(_whole(rows), "f1")


def feedback_table(names: Sequence[str], tunings: Sequence[str] = ()) -> list[str]:
    """Return means over seeds, and gains over untuned (the least over seeds in brackets)."""
    head = ["dataset", "method", "marks of", "seeds", "F1 as deployed", "gain", "average precision",
            "gain", "VUS-PR", "gain", "best F1"]  # fmt: skip
    table = [head]
    for row in _summaries(names):
        if row["layers"] not in ("all", "none") or (tunings and row["tuning"] not in tunings):
            continue
        cells = [row["dataset"], f"`{row['method']}`", row["tuning"], str(row["seeds"])]
        for metric in ("f1_deployed", "average_precision", "vus_pr"):
            cells.append(_figure(row[f"{metric}_mean"]))
            gain, least = row.get(f"{metric}_gain_mean"), row.get(f"{metric}_gain_min")
            cells.append("" if gain is None else f"{gain:+.3f} ({least:+.3f})")
        table.append([*cells, _figure(row["f1_point_adjusted_mean"])])
    return _markdown(table)


def tuned_table() -> list[str]:
    """Return AnoTuner untuned and tuned by false alarms and missed anomalies, beside two peers."""
    metrics = ("f1_deployed", "average_precision", "vus_pr")
    table = [["dataset", "seeds", "F1 as deployed", "average precision", "VUS-PR",
              "ridge VAR, untuned", "random"]]  # fmt: skip
    rows = {
        (row["dataset"], row["method"], row["tuning"]): row
        for row in _summaries(_FEEDBACK[:2])
        if row["layers"] in ("all", "none")
    }
    for dataset in dict.fromkeys(dataset for dataset, _, _ in rows):
        before, after = (rows[dataset, "anotuner", tuning] for tuning in ("none", "fp+fn"))
        cells = [dataset, str(after["seeds"])]
        for metric in metrics:
            gain = after[f"{metric}_gain_mean"]
            new = before[f"{metric}_mean"] if gain is None else after[f"{metric}_mean"]
            cells.append(f"{new - gain:.3f} → {new:.3f}")
        for peer in ("ridge_var", "random_score"):
            known = rows[dataset, peer, "none"]
            cells.append(" / ".join(f"{known[f'{metric}_mean']:.3f}" for metric in metrics))
        table.append(cells)
    return _markdown(table)


def datasets_table() -> list[str]:
    """Return what each set of detection holds, as it lies."""
    shown = ("dataset", "fleets", "entities", "kpis", "interval_s", "train_points", "test_points",
             "anomaly_percent", "anomalies", "entities_with_feedback")  # fmt: skip
    rows = [row for row in read_result(REPORTS / "detect-base.json").summary
            if row["part"] == "dataset"]  # fmt: skip
    return _markdown([shown, *([_figure(row[name]) for name in shown] for row in rows)])


def standings_table() -> list[str]:
    """Return the mean ranks of the first detectors of the leaderboard, ridge VAR and random."""
    whole = json.loads((REPORTS / "detect-leaderboard.json").read_text(encoding="utf-8"))
    known = [row for row in whole["summary"] if row["part"] == "method"]
    shown = _first_and_plain([row["method"] for row in known])
    names = ("average_precision", "vus_pr", "f1_deployed")
    title = f"of {len(known)} detectors, mean rank on {known[0]['datasets']} sets in"
    table = [[title, "average precision", "VUS-PR", "F1 as deployed"]]
    table += [
        [f"`{row['method']}`", *(f"{row[f'{name}_mean_rank']:.2f}" for name in names)]
        for row in known
        if row["method"] in shown
    ]
    return _markdown(table)


def _first_and_plain(methods: Sequence[str]) -> list[str]:
    """Return the first six, ridge VAR and the random score."""
    plain = ("ridge_var", "random_score")
    return [method for place, method in enumerate(methods) if place < 6 or method in plain]


def marked_table() -> list[str]:
    """Return mean ranks with both kinds of marks, each method by its own way, of both seeds."""
    seeds = [
        {
            row["method"]: row
            for row in read_result(REPORTS / f"{report}.json").summary
            if row["part"] == "method" and (row["mechanism"], row["tuning"]) == ("own", "fp+fn")
        }
        for report in ("detect-table1", "detect-table1-seed-1")
    ]
    names = ("average_precision", "vus_pr", "f1_deployed")
    known = sorted(
        seeds[0], key=lambda m: sum(of[m]["average_precision_mean_rank"] for of in seeds)
    )
    sets = seeds[0]["anotuner"]["datasets"]
    title = f"of {len(known)} detectors with marks, mean rank on {sets} sets, seed 0 / seed 1"
    table = [[title, "average precision", "VUS-PR", "F1 as deployed"]]
    for method in _first_and_plain(known):
        ranks = (" / ".join(f"{of[method][f'{n}_mean_rank']:.2f}" for of in seeds) for n in names)
        table.append([f"`{method}`", *ranks])
    return _markdown(table)


LASTING = {
    "detect-leaderboard-memory-0": "no memory",
    "detect-leaderboard-memory-0.3": "memory 0.3",
    "detect-leaderboard": "memory 0.4, baseline 0.2",
}
LASTING_SEED_1 = {
    "detect-leaderboard-seed-1-memory-0.3": "memory 0.3",
    "detect-leaderboard-seed-1": "memory 0.4, baseline 0.2",
}


def lasting_table(reports: Mapping[str, str]) -> list[str]:
    """Return AnoTuner's figures in leaderboards of before what lasts ranked higher, and of now.

    The last of the reports is of now, and has the others that all are ranked among.
    """
    ranked = {"average_precision": "average precision", "vus_pr": "VUS-PR",
              "f1_deployed": "F1 as deployed", "f1_point_adjusted": "best F1"}  # fmt: skip
    others = {"event_recall": "events met",
              "false_alarms_per_entity_day": "false alarms per entity and day"}  # fmt: skip
    found = [read_result(REPORTS / f"{report}.json").rows for report in reports]
    peers = [row for row in found[-1] if row["method"] != "anotuner"]
    table = [["means over the sets", *reports.values()]]
    for metric, name in (ranked | others).items():
        cells = []
        for rows in found:
            own = [row for row in rows if row["method"] == "anotuner"]
            cells.append(f"{sum(float(row[metric] or 0) for row in own) / len(own):.3f}")
            if metric in ranked:
                rank = ranking_of(own + peers, metric).rank_of["anotuner"]
                cells[-1] += f" (mean rank {rank:.2f})"
        table.append([name, *cells])
    return _markdown(table)


def gpu_table() -> list[str]:
    """Return AnoTuner's seconds on a GPU, and on the processor beside it."""
    parts = {"training": "20 epochs on a week of {} stations",
             "score": "a week of {} stations", "tick": "a row of {} stations"}  # fmt: skip
    forms = {"anotuner": "streaming", "anotuner-sliding": "sliding"}
    rows = {
        (row["part"], row["method"], row["device"]): row
        for row in published_rows("detect-speed-gpu")
        if row["part"] in parts
    }
    table = [["seconds for", "form", "processor", "GPU", "times as fast"]]
    for part, text in parts.items():
        for method, form in forms.items():
            if (part, method, "cuda") in rows:
                there = rows[part, method, "cuda"]
                cpu, gpu = rows[part, method, "cpu"]["seconds"], there["seconds"]
                what = text.format(f"{there['stations']:,}")
                table.append([what, form, f"{cpu:.3g}", f"{gpu:.3g}", f"{cpu / gpu:.1f}"])
    return _markdown(table)


def verdict_table() -> list[str]:
    """Return macro-F1 of every diagnoser at both rates, and F1 of both kinds of faults."""
    rows = {
        (row["method"], row["dataset"]): row
        for row in published_rows("diagnose-verdict")
        if "/" not in row["method"]
    }
    sets = list(dict.fromkeys(dataset for _, dataset in rows))
    table = [["diagnoser", *(f"{dataset}: macro / maintenance / service" for dataset in sets)]]
    for method in sorted({m for m, _ in rows}, key=lambda m: -rows[m, sets[0]]["macro_f1"]):
        figures = [
            " / ".join(_figure(rows[method, dataset][f"{part}_f1"])
                       for part in ("macro", "maintenance", "service"))
            for dataset in sets
        ]  # fmt: skip
        table.append([f"`{method}`", *figures])
    return _markdown(table)


def demo_table() -> list[str]:
    """Return what a week of answers changed in the second week of the demo."""
    week = json.loads((REPORTS / "demo.json").read_text(encoding="utf-8"))["second_week"]
    table = [["second week", "before feedback", "after"]]
    for feed, key, name in (
        ("stations", "f1_deployed", "stations: F1, point-adjusted, as deployed"),
        ("stations", "average_precision", "stations: average precision"),
        ("stations", "event_recall", "stations: faults that an alarm met"),
        ("stations", "false_alarms_per_entity_day", "stations: false alarms per station and day"),
        ("cdn", "f1_deployed", "CDN: F1, point-adjusted, as deployed"),
        ("cdn", "false_alarms_per_entity_day", "CDN: false alarms per day"),
        ("cable", "macro_f1", "cable: macro F1 of verdicts"),
    ):
        told = (week[feed][when][key] for when in ("before", "after"))
        table.append([name, *(f"{value:.3f}" for value in told)])
        if key == "average_precision":  # a random score's is about the share of rows in faults
            floor = f"{week[feed]['anomalous_share']:.3f}"
            table.append([f"{feed}: about that of a random score", floor, floor])
    for feed, name in (("stations", "stations"), ("cdn", "CDN")):
        told = (week[feed][when]["localization"]["root_first"] for when in ("before", "after"))
        faults = week[feed]["faults"]
        table.append([f"{name}: faults whose root came first", *(f"{n} of {faults}" for n in told)])
    return _markdown(table)


def published_rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of one published result."""
    return [dict(row) for row in read_result(REPORTS / f"{name}.json").rows]


_DIAGNOSIS = tuple(
    f"diagnose-{name}"
    for name in ("verdict", "table1", "table2", "rates", "faults", "theorem2", "lookback",
                 "features", "missing", "cablemon", "speed", "snmp")
)  # fmt: skip
_FEEDBACK = ("detect-feedback", "detect-feedback-simulated", "detect-feedback-paper")


def _summaries(names: Sequence[str]) -> list[dict[str, Any]]:
    rows = [dict(row) for name in names for row in read_result(REPORTS / f"{name}.json").summary]
    return sorted(rows, key=lambda row: str(row["dataset"]))


def _layers_table() -> list[str]:
    metrics = ("f1_deployed", "average_precision", "vus_pr")
    table = [["dataset", "layer", *(f"{metric}, gain" for metric in metrics)]]
    for row in _summaries(_FEEDBACK):
        if row["layers"] not in ("all", "none"):
            gains = (row[f"{metric}_gain_mean"] for metric in metrics)
            table.append([row["dataset"], row["layers"], *(f"{gain:+.3f}" for gain in gains)])
    return _markdown(table)


def _own_ways_table() -> list[str]:
    """Return each method untuned and tuned by `detect/table1`: means over seeds, set by set."""
    metrics = (
        "precision_deployed", "recall_deployed", "f1_deployed", "precision_point_adjusted",
        "recall_point_adjusted", "f1_point_adjusted", "average_precision", "vus_pr",
    )  # fmt: skip
    runs: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for row in published_rows("detect-table1"):
        if row["mechanism"] == "own" and row["tuning"] in ("none", "fp+fn"):
            of_method = runs.setdefault((row["dataset"], row["method"]), {})
            of_method.setdefault(row["tuning"], []).append(row)
    table = [["dataset", "method", *metrics]]
    for (dataset, method), by_tuning in sorted(runs.items()):
        cells = [
            " → ".join(f"{sum(row[metric] for row in rows) / len(rows):.3f}"
                       for rows in (by_tuning["none"], by_tuning["fp+fn"]))
            for metric in metrics
        ]  # fmt: skip
        table.append([dataset, f"`{method}`", *cells])
    return _markdown(table)


def _base_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = ["dataset", "method", "f1_deployed", "f1_point_adjusted", "average_precision",
             "vus_pr", "event_precision", "event_recall", "false_alarms_per_entity_day",
             "seconds_fit", "seconds_score", "memory_mb"]  # fmt: skip
    order = sorted(rows, key=lambda r: (str(r["dataset"]), -float(r["average_precision"] or 0)))
    return _markdown([shown, *([_figure(row.get(name)) for name in shown] for row in order)])


def _whole(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if "/" not in str(row["dataset"])]


def _pivot(rows: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    datasets = sorted({str(row["dataset"]) for row in rows})
    cells = {(str(r["method"]), str(r["dataset"])): r for r in rows}
    methods = {method for method, _ in cells}

    def mean(method: str) -> float:
        values = [cells[method, d][metric] for d in datasets if (method, d) in cells]
        return float(sum(values) / len(values))

    order = sorted(methods, key=lambda m: (-mean(m) if metric == "f1" else mean(m), m))
    table = [["method", *datasets]]
    for method in order:
        row = [f"`{method}`"]
        for dataset in datasets:
            cell = cells.get((method, dataset))
            text = "" if cell is None else f"{cell[metric]:.3f}"
            if cell is not None and cell["cases"] < cell["cases_asked"]:
                text += f" (first {cell['cases']} cases)"
            row.append(text)
        table.append(row)
    return _markdown(table)


def _scan_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = [
        "cases", "f1", "f1_low", "f1_high", "f1_told_number", "rc_at_1", "rc_at_3", "rc_at_5",
        "partial_credit", "leaf_jaccard", "memory_mb",
    ]  # fmt: skip
    table = [
        [f"`{row['dataset']}`", *(_figure(row[name]) for name in shown)]
        for row in _whole(rows)
        if row["method"] == "scan"
    ]
    return _markdown([["dataset", *shown], *table])


def _group_table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    grouped = [
        {**row, "dataset": str(row["dataset"]).partition("/")[2].replace("_", " ")}
        for row in rows
        if str(row["dataset"]).startswith("squeeze_B0/")
    ]
    return _pivot(grouped, "f1")


def read_scenario(name: str) -> tuple[str, ...]:
    """Return the figures that a scenario shows first; the file holds all."""
    return load_scenario(name.replace("-", "/", 1)).shown


def _plain(name: str, columns: Sequence[str] = ()) -> list[str]:
    rows = published_rows(name)
    columns = columns or list(dict.fromkeys(key for row in rows for key in row))
    return _markdown([columns, *([_figure(row.get(c)) for c in columns] for row in rows)])


def _figure(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def _markdown(table: Sequence[Sequence[str]]) -> list[str]:
    head, *body = table
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in body]
