"""Tiny detection sets in files, for the scenarios of detection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from faultsight.core.seed import random_stream

N_TRAIN, N_TEST = 120, 200
# Alike in the first 30 % (60 rows) and later: each fault comes back.
_GROSS, _SLIGHT = ((20, 23), (120, 126)), ((45, 48), (150, 156))


def write_entity(folder: Path, kpis: tuple[str, ...]) -> None:
    """Write noise on a wave, with gross faults in all KPIs and slight ones in the first."""
    folder.mkdir(parents=True)
    stream = random_stream(0, "tiny set", folder.name)
    wave = np.sin(2 * np.pi * np.arange(N_TRAIN + N_TEST) / 48)[:, None]
    rows = wave + 0.3 * stream.normal(size=(N_TRAIN + N_TEST, len(kpis)))
    rows[stream.integers(60, size=4) + N_TRAIN] += 1.5  # what false alarms are made of
    labels = np.zeros(N_TEST, np.int8)
    for spans, kpi, size in ((_GROSS, slice(None), 6.0), (_SLIGHT, 0, 0.7)):
        for start, end in spans:
            rows[N_TRAIN + start : N_TRAIN + end, kpi] += size
            labels[start:end] = 1
    pl.DataFrame(rows[:N_TRAIN], schema=list(kpis)).write_parquet(folder / "train.parquet")
    pl.DataFrame(rows[N_TRAIN:], schema=list(kpis)).write_parquet(folder / "test.parquet")
    pl.DataFrame({"label": labels}).write_parquet(folder / "label.parquet")


@pytest.fixture(scope="session")
def tiny_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with ASD (one fleet of 4), JS2 (2), CDN (fleets of 2 and 1), MSL (1)."""
    data = tmp_path_factory.mktemp("sets")
    for name in ("omi-1", "omi-2", "omi-3", "omi-4"):
        write_entity(data / "detect" / "ASD" / name, ("a", "b", "c"))
    for name, kpis in (("live", ("a", "b")), ("vod1", ("a", "b")), ("vod2", ("x", "y", "z"))):
        write_entity(data / "detect" / "CDN" / name, kpis)
    for name in ("service1", "service2"):
        write_entity(data / "detect" / "JS2" / name, ("a", "b", "c"))
    write_entity(data / "detect" / "MSL" / "C-1", ("a", "b"))
    return data
