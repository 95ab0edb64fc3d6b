"""Every table of the page on clustering is made from the results that the benchmark wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from faultsight.bench.engine import read_result

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
    text = f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"
    return text.replace("-.00", ".00")


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


def look_back_table() -> str:
    found = cells("lookback", "faults", "feature", "method", "days")
    faults, features = names(found, 0), ("snr", "tx_power")
    columns = [
        (fault, feature, method)
        for fault in faults
        for feature in features
        for method in ("average", "telapart")
    ]
    short = {faults[0]: "1-3 d old", faults[1]: "lasting"}
    head = ["days", *(f"{short[a]}, {b.partition('_')[0]}, `{c}`" for a, b, c in columns)]
    body = []
    for days in range(1, 8):
        line = [str(days)]
        for fault, feature, method in columns:
            row = found.get((fault, feature, method, days))
            line.append("" if row is None else with_spread(row, "ari_anomalous"))
        body.append(line)
    return markdown(head, body)


TABLES = {
    "clusterings, paper": lambda: clusterings_table("paper"),
    "clusterings, every type": lambda: clusterings_table("every-type"),
    "regimes, SNR": lambda: regimes_table("snr"),
    "regimes, transmit power": lambda: regimes_table("tx_power"),
    "preprocessing, SNR": lambda: preprocessing_table("snr"),
    "preprocessing, transmit power": lambda: preprocessing_table("tx_power"),
    "look-back": look_back_table,
}


@pytest.mark.parametrize("table", TABLES)
def test_the_table_on_the_page_is_the_result_that_was_written(table: str) -> None:
    assert TABLES[table]() in _PAGE.read_text()
