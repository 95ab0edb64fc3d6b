"""Stores in temporary folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultsight.stores.telemetry import KpiStore


@pytest.fixture
def store(tmp_path: Path) -> KpiStore:
    return KpiStore.create(tmp_path / "cells", name="cells", interval_s=3600, n_buckets=4)


@pytest.fixture
def cube(tmp_path: Path) -> KpiStore:
    return KpiStore.create(
        tmp_path / "cdn", name="cdn", kind="cube", interval_s=300, attributes=["site", "os"]
    )
