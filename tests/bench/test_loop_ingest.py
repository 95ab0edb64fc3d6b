"""loop/ingest, on an hour or two."""

from __future__ import annotations

import pytest

from faultsight.bench.engine import Context, run_scenario
from faultsight.core.errors import UnknownMemberError


def test_every_way_writes_every_row() -> None:
    rows = run_scenario("loop/ingest", Context(seed=1000, cases=2)).rows
    assert [(row["method"], row["dataset"], row["appends"]) for row in rows] == [
        (method, dataset, appends)
        for dataset, appends in (("bulk", 1), ("ticks", 2))
        for method in ("faultsight", "polars", "sqlite3")
    ]
    for row in rows:
        assert (row["rows"], row["kpis"]) == (20_000, 25)
        # Twenty thousand rows of 25 float32 with two decimals take a megabyte at the least.
        assert float(row["disk_mb"] or 0) > 1
        assert float(row["rows_per_second"] or 0) > 0
        if row["method"] == "polars":
            assert row["times_plain_parquet"] == 1.0


def test_what_it_does_not_know() -> None:
    for context in (Context(methods=("duckdb",)), Context(datasets=("all",))):
        with pytest.raises(UnknownMemberError, match="is called"):
            run_scenario("loop/ingest", context)
