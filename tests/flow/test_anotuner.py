"""The network scores the same bytes in the loop, row by row or all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
from faultsight.detect.model_folder import save_detector

from .conftest import END_S, HOUR_S, LIVE_S, N_LIVE, N_TRAIN, Provider, hours

QUICK = AnoTunerConfig(epochs=2, window=24, n_hidden=16, n_filters=8, n_latent=4)


def test_ticks_and_a_batch_agree(
    provider: Callable[..., Provider], live: pl.DataFrame, frames: list[KpiFrame], tmp_path: Path
) -> None:
    model = AnoTuner(QUICK).fit([frame[:N_TRAIN] for frame in frames])
    path = save_detector(model, tmp_path / "anotuner", {})
    made, whole = provider(), provider()
    for each in (made, whole):
        told = each.ops.models.add("cells", "anotuner", str(path), parent="cells/1", by="test")
        each.ops.models.promote(told.id, by="test", why="to be tried")
    whole.send(live, now_s=END_S)
    whole.tick(END_S)
    for hour in range(0, N_LIVE, 8):
        now_s = LIVE_S + (hour + 8) * HOUR_S
        made.send(hours(live, hour, hour + 8).reverse(), now_s=now_s)
        made.tick(now_s)
    assert made.standing() == whole.standing()
    assert {alarm.model_id for alarm in made.ops.alarms.find()} == {"cells/2"}
