"""The tables of verdicts, ticketing rates and CableMon are what the benchmarks wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from faultsight.bench.engine import Row, read_result

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs" / "explanation"
_RATES = ("sim_stress", "sim_realistic")
_CHANGED = {
    "evidence as in the paper": "telapart/evidence=paper",
    "thresholds by the paper's ratio (TRR)": "telapart/criterion=trr",
    "thresholds as tickets alone make them, without defaults": "telapart/reluctance=0",
    "milder modems never join a group": "telapart/milder_share=1",
    "similarity over one day, not three": "telapart/similarity_look_back=1d",
    "without `missing`": "telapart/without-missing",
}


def rows_of(name: str, **fixed: str) -> list[Row]:
    rows = read_result(_ROOT / "benchmarks" / "reports" / f"diagnose-{name}.json").rows
    return [row for row in rows if all(row[key] == value for key, value in fixed.items())]


def figure(value: Any, digits: int, *, signed: bool = False) -> str:
    if value is None:
        return ""
    text = f"{float(value):{'+' if signed else ''}.{digits}f}"
    if not signed and not float(text):
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def lines(body: list[list[str]]) -> str:
    return "\n".join("|" + "".join(f" {c} |" if c else " |" for c in cells) for cells in body)


def with_interval(row: Mapping[str, Any], name: str, digits: int, *, signed: bool = False) -> str:
    if row[name] is None:
        return ""
    low, high = (figure(row[f"{name}_{end}"], digits, signed=signed) for end in ("low", "high"))
    return f"{figure(row[name], digits, signed=signed)} [{low}, {high}]"


def verdict_lines(dataset: str) -> str:
    rows = [row for row in rows_of("verdict", dataset=dataset) if "/" not in str(row["method"])]
    rows.sort(key=lambda row: -float(str(row["macro_f1"])))
    kinds = [
        [f"{kind}_{name}" for name in ("precision", "recall", "f1")]
        for kind in ("maintenance", "service")
    ]
    return lines([
        [
            f"`{row['method']}`",
            *(" / ".join(figure(row[name], 2) for name in names) for names in kinds),
            f"{figure(row['macro_f1'], 3)} ({figure(row['macro_f1_sd'], 3)})",
            figure(row["macro_f1_pooled"], 3),
            figure(row["macro_f1_polled"], 3),
        ]
        for row in rows
    ])  # fmt: skip


def changed_lines() -> str:
    told = read_result(_ROOT / "benchmarks" / "reports" / "diagnose-verdict.json").summary
    gain = {(row["dataset"], row["minus"]): row for row in told}
    body = []
    for words, method in _CHANGED.items():
        line = [words]
        for dataset in _RATES:
            row = gain[dataset, method]
            # The summary has the default less the changed one; the page the other way round.
            turned = {
                "macro_f1": -float(str(row["macro_f1"])),
                "macro_f1_low": -float(str(row["macro_f1_high"])),
                "macro_f1_high": -float(str(row["macro_f1_low"])),
            }
            line.append(with_interval(turned, "macro_f1", 3, signed=True))
        body.append(line)
    return lines(body)


def rate_lines(dataset: str) -> str:
    body, before = [], ""
    for row in rows_of("rates", dataset=dataset):
        healthy = [figure(row[name], 2) for name in ("R_mH", "R_sH")]
        method = str(row["method"])
        body.append([
            f"`{method}`" if method != before else "",
            str(row["features"]),
            *(figure(row[name], 1) for name in ("R_mM", "R_sM", "R_mS", "R_sS")),
            " / ".join(healthy),
            with_interval(row, "R_mM-R_mS", 1),
            f"{row['holding']} / {row['certain']}",
            figure(row["macro_f1"], 2),
        ])  # fmt: skip
        before = method
    return lines(body)


def cablemon_lines(dataset: str) -> str:
    shown = (
        ("trr", 1, 1), ("accuracy", 100, 1), ("coverage", 100, 1),
        ("normalized_ticketing_rate", 1, 1), ("events_with_fault", 100, 0),
        ("fault_time_found", 100, 0),
    )  # fmt: skip
    body = []
    for row in rows_of("cablemon", dataset=dataset, part="methods"):
        line = [f"`{row['method']}`"]
        for name, scale, digits in shown:
            mean, spread = (float(str(row[key])) * scale for key in (name, f"{name}_sd"))
            line.append(f"{figure(mean, digits)} ± {figure(spread, digits)}")
        body.append(line)
    return lines(body)


_VERDICTS, _CABLEMON = _DOCS / "diagnosis-verdicts.md", _DOCS / "cablemon.md"
TABLES: Mapping[str, tuple[Path, Callable[[], str]]] = {
    **{f"verdicts, {rate}": (_VERDICTS, partial(verdict_lines, rate)) for rate in _RATES},
    "changed": (_VERDICTS, changed_lines),
    **{f"rates, {rate}": (_VERDICTS, partial(rate_lines, rate)) for rate in _RATES},
    **{f"cablemon, {rate}": (_CABLEMON, partial(cablemon_lines, rate)) for rate in _RATES},
}


@pytest.mark.parametrize("table", TABLES)
def test_the_table_on_the_page_is_the_result_that_was_written(table: str) -> None:
    page, made = TABLES[table]
    text, expected = page.read_text(), made()
    missing = [line for line in expected.splitlines() if line not in text]
    assert not missing
    assert expected in text
