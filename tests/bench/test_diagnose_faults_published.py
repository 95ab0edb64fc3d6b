"""The tables of tracked faults on the page on verdicts are what the benchmark wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from faultsight.bench.engine import read_result
from faultsight.bench.fault_tellers import TELLERS

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "explanation" / "diagnosis-verdicts.md"
_FOUND: Mapping[tuple[Any, ...], Mapping[str, Any]] = {
    (row["dataset"], row["method"], row["kind"]): row
    for row in read_result(_ROOT / "benchmarks" / "reports" / "diagnose-faults.json").rows
}
_METHODS = [
    method for method in dict.fromkeys(key[1] for key in _FOUND) if method != "telapart/bridged=1"
]
_KINDS = ("maintenance", "service")


def figure(value: float | None, digits: int = 2, unit: str = "") -> str:
    return "" if value is None else f"{value:.{digits}f}{unit}"


def wrong_tickets(row: Mapping[str, Any]) -> str:
    share, right = row["wrong_ticket_share"], row["wrong_ticket_right"]
    return figure(share) + (f" ({figure(right)})" if share and right is not None else "")


def line(row: Mapping[str, Any], *, lead: list[str], calls: bool) -> str:
    found = [figure(row[name]) for name in ("found_share", "found_right_share")]
    cells = [
        *lead,
        f"{row['faults']:,}",
        figure(row["duration_h_p80"], 0, " h"),
        figure(row["reported_within_24_h"]),
        *([figure(row["at_most_10_percent_call"])] if calls else []),
        wrong_tickets(row),
        figure(row["no_fault_share"]),
        figure(row["right_kind_share"]),
        ", ".join(found) if all(found) else "",
        figure(row["tracked_per_found"], 1),
        figure(row["detection_delay_h_median"], 0, " h"),
    ]
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def stress_rows(kind: str) -> str:
    return "\n".join(
        line(_FOUND["sim_stress", method, kind], lead=[f"`{method}`"], calls=kind == "maintenance")
        for method in _METHODS
    )


def realistic_rows() -> str:
    lines = []
    for kind in _KINDS:
        true = max(row["true_faults"] or 0 for row in rows_of("sim_realistic", kind))
        for method in _METHODS:
            if not method.startswith("truth"):
                row = _FOUND["sim_realistic", method, kind]
                lines.append(line(row, lead=[f"`{method}`", kind, str(true)], calls=False))
    return "\n".join(lines)


def rows_of(dataset: str, kind: str) -> list[Mapping[str, Any]]:
    return [row for key, row in _FOUND.items() if (key[0], key[2]) == (dataset, kind)]


TABLES = {
    "maintenance, stress": lambda: stress_rows("maintenance"),
    "service, stress": lambda: stress_rows("service"),
    "realistic": realistic_rows,
}


def test_every_row_is_of_ten_plants() -> None:
    assert {row["seeds"] for row in _FOUND.values()} == {10}
    assert {key[1] for key in _FOUND} <= set(TELLERS)


@pytest.mark.parametrize("table", TABLES)
def test_the_table_on_the_page_is_the_result_that_was_written(table: str) -> None:
    assert TABLES[table]() in _PAGE.read_text()
