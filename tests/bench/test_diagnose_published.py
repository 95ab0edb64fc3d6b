"""Every table of the page on clustering is made from the results that the benchmark wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from faultsight.bench.engine import read_result
from faultsight.bench.scenarios.diagnose_speed import DiagnoseSpeed

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "explanation" / "diagnosis-clustering.md"
_REGIMES = (
    "paper", "every-type", "dwell-2h", "loss-15", "loss-30", "rounds-2h", "rounds-3.5h",
)  # fmt: skip

Cells = Mapping[tuple[Any, ...], Mapping[str, Any]]


def cells(name: str, *keys: str) -> Cells:
    rows = read_result(_ROOT / "benchmarks" / "reports" / f"diagnose-{name}.json").rows
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows)
    return found


def names(found: Cells, position: int) -> list[Any]:
    return list(dict.fromkeys(key[position] for key in found))


def figure(value: float | None, digits: int = 2) -> str:
    if value is None:
        return ""
    text = f"{value:.{digits}f}"
    if not float(text):
        text = text.removeprefix("-")
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def with_spread(row: Mapping[str, Any], name: str) -> str:
    return f"{figure(row[name], 3)} ± {figure(row[f'{name}_sd'])}"


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def clusterings_table(regime: str) -> str:
    found = cells("table1", "regime", "feature", "method")
    head = ["method"]
    for feature in ("SNR", "Tx"):
        head += [f"{feature}: RI", "ARI", "RI, all", "ARI, all"]
    body = [
        [
            f"`{method}`",
            *(
                with_spread(found[regime, feature, method], score)
                for feature in ("snr", "tx_power")
                for score in ("ri_anomalous", "ari_anomalous", "ri_all", "ari_all")
            ),
        ]
        for method in names(found, 2)
    ]
    return markdown(head, body)


def regimes_table(feature: str) -> str:
    found = cells("table1", "regime", "feature", "method")
    methods = [m for m in names(found, 2) if m not in ("singletons", "one-cluster")]
    body = [
        [f"`{method}`", *(figure(found[r, feature, method]["ari_anomalous"]) for r in _REGIMES)]
        for method in methods
    ]
    return markdown(["method", *(f"`{regime}`" for regime in _REGIMES)], body)


def preprocessing_table(feature: str) -> str:
    found = cells("table2", "regime", "feature", "method")
    methods = [m for m in names(found, 2) if m not in ("singletons", "one-cluster")]
    body = [
        [
            f"`{regime}`",
            *(
                f"{figure(row['ari_anomalous'])} / {figure(row['ari_all'])}"
                for row in (found[regime, feature, method] for method in methods)
            ),
        ]
        for regime in _REGIMES
    ]
    return markdown(["regime", *(f"`{method}`" for method in methods)], body)


def look_back_table(faults: str, feature: str) -> str:
    found = cells("lookback", "faults", "feature", "method", "days")
    methods = [method for method in names(found, 2) if method != "random"]
    days = sorted({key[3] for key in found if key[0] == faults})
    body = [
        [str(day), *(with_spread(found[faults, feature, m, day], "ari_anomalous") for m in methods)]
        for day in days
    ]
    return markdown(["days", *(f"`{method}`" for method in methods)], body)


def theorem_table(plants: str) -> str:
    found = cells("theorem2", "plants", "evidence", "feature", "method")
    methods = names(found, 3)
    body = []
    for evidence, feature in dict.fromkeys(key[1:3] for key in found):
        rows = [found[plants, evidence, feature, method] for method in methods]
        cell = [f"{figure(row['ari'])} at {figure(row['similarity'])}" for row in rows]
        body.append([evidence, feature, *cell[:-1], figure(rows[-1]["ari"])])
    return markdown(["evidence", "feature", *(f"`{method}`" for method in methods)], body)


def losses_table() -> str:
    found = cells("theorem2", "plants", "evidence", "feature", "method")
    methods = [method for method in names(found, 3) if method != "best-ari"]
    body = [
        [evidence, feature, *(with_spread(found["one", evidence, feature, m], "ari_loss")
                              for m in methods)]
        for evidence, feature in dict.fromkeys(key[1:3] for key in found)
    ]  # fmt: skip
    return markdown(["evidence", "feature", *(f"`{method}`" for method in methods)], body)


def summary_of(name: str, part: str) -> Cells:
    told = read_result(_ROOT / "benchmarks" / "reports" / f"diagnose-{name}.json").summary
    rows = [row for row in told if row["part"] == part]
    keys = [key for key in ("evidence", "feature", "similarity") if key in rows[0]]
    return {tuple(row[key] for key in keys): row for row in rows}


def curves_table() -> str:
    found = summary_of("theorem2", "curve")
    grid = [0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    body = [
        [
            evidence,
            feature,
            *(
                f"{figure(row['trr'], 1) or 'none'} / {figure(row['ari'])}"
                for row in (found[evidence, feature, similarity] for similarity in grid)
            ),
        ]
        for evidence, feature in dict.fromkeys(key[:2] for key in found)
    ]
    return markdown(["evidence", "feature", *(figure(similarity) for similarity in grid)], body)


def assumptions_table() -> str:
    names_told = ("before_mixed", "before_outside", "windows_all_first", "tickets_inside")
    body = [
        [*key, str(row["windows"]), *(figure(row[name]) for name in names_told)]
        for key, row in summary_of("theorem2", "assumption").items()
    ]
    head = ["evidence", "feature", "windows", "before mixed", "before outside", "all first",
            "tickets inside"]  # fmt: skip
    return markdown(head, body)


def features_table() -> str:
    found = cells("features", "feature")
    head = ["feature", "TRR as alarm", "TRR as cluster, same alarms", "own alarms", "ARI"]
    body = []
    for (feature,), row in found.items():
        line = [feature]
        for name in ("detection_trr", "clustering_trr_same_alarms", "clustering_trr"):
            low, high = (figure(row[f"{name}_{end}"], 1) for end in ("low", "high"))
            told = row[name]
            line.append("" if told is None else f"{figure(told, 1)} ({low} to {high})")
        body.append([*line, with_spread(row, "ari")])
    return markdown(head, body)


def missing_table() -> str:
    found = cells("missing", "regime", "method")
    head = ["rounds, loss", "threshold", "tuned", "1.5 T", "none", "random",
            "recall: tuned / 1.5 T", "precision", "rounds found", "true by rounds"]  # fmt: skip
    body = []
    for regime in names(found, 0):
        tuned, fixed = found[regime, "tuned"], found[regime, "fixed"]
        pairs = [
            f"{figure(tuned[name], 3)} / {figure(fixed[name], 3)}"
            for name in ("recall", "precision")
        ]
        body.append(
            [regime.replace("h-", " h, "), figure(tuned["threshold"]),
             *(figure(found[regime, m]["accuracy"], 4) for m in names(found, 1)),
             *pairs, figure(tuned["rounds_found_share"], 3), figure(tuned["truth_accuracy"], 4)]
        )  # fmt: skip
    return markdown(head, body)


TABLES: Mapping[str, Callable[[], str]] = {
    "clusterings, paper": lambda: clusterings_table("paper"),
    "clusterings, every type": lambda: clusterings_table("every-type"),
    "regimes, SNR": lambda: regimes_table("snr"),
    "regimes, transmit power": lambda: regimes_table("tx_power"),
    "preprocessing, SNR": lambda: preprocessing_table("snr"),
    "preprocessing, transmit power": lambda: preprocessing_table("tx_power"),
    **{
        f"look-back, {faults}, {feature}": partial(look_back_table, faults, feature)
        for faults in ("one to three days old", "as old as the look-back")
        for feature in ("snr", "tx_power")
    },
    "theorem, one plant": lambda: theorem_table("one"),
    "theorem, all plants": lambda: theorem_table("all"),
    "theorem, losses": losses_table,
    "theorem, curves": curves_table,
    "theorem, assumptions": assumptions_table,
    "features": features_table,
    "missing": missing_table,
}


@pytest.mark.parametrize("table", TABLES)
def test_the_table_on_the_page_is_the_result_that_was_written(table: str) -> None:
    assert TABLES[table]() in _PAGE.read_text()


def test_the_theorem_fails_where_the_page_says() -> None:
    told = summary_of("theorem2", "assumption")
    curves = summary_of("theorem2", "curve")
    for (evidence, feature), row in told.items():
        mine = [r for key, r in curves.items() if key[:2] == (evidence, feature)]
        assert row["tickets_inside"] < 0.535
        if evidence == "paper":
            assert 0.5 <= row["before_outside"] < 0.795
            assert row["windows_all_first"] < 0.04
            assert max(mine, key=lambda r: float(r["ari"]))["trr"] < 1
    assert round(told["deviation", "tx_power"]["windows_all_first"], 2) == 0.84
    for feature, least, most, falls in (
        ("snr", 1.5, 1.8, [0.38, 0.22]),
        ("tx_power", 2.8, 3.2, [0.55, 0.38]),
    ):
        loose = [curves["deviation", feature, round(k / 20, 2)] for k in range(12, -1, -1)]
        assert all(least < row["trr"] < most for row in loose)
        assert [round(loose[k]["ari"], 2) for k in (0, -1)] == falls


def test_the_published_speed_tells_the_peak_of_memory() -> None:
    found = read_result(_ROOT / "benchmarks" / "reports" / "diagnose-speed.json")
    assert "peak_rss_mb" in DiagnoseSpeed.shown
    assert found.rows
    for row in found.rows:
        assert float(str(row["peak_rss_mb"])) >= float(str(row["added_mb"])) >= 0
