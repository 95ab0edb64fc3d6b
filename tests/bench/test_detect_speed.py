"""detect/speed, on a handful of stations."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch

from faultsight.bench.engine import Context, run_scenario
from faultsight.bench.plain_anotuner import plain_scores
from faultsight.core.errors import SettingError, UnknownMemberError
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
from faultsight.detect.anotuner._network import SlidingNetwork
from faultsight.sim.base_stations import StationsConfig, simulate_stations


def test_every_part_is_timed_and_compared_with_the_plain_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    told: list[str] = []
    context = Context(cases=2, seconds=0.5, progress=told.append)
    result = run_scenario("detect/speed", context)
    parts = [(row["part"], row["method"], row["stations"]) for row in result.rows]
    both = ("anotuner", "anotuner-sliding")
    assert parts == [
        *(("tick", method, 2) for method in both),
        *(("score", method, 2) for method in (*both, "plain")),
        *(("growth", method, n) for n in (2, 4, 8) for method in both),
        ("training", "anotuner", 2),
    ]
    assert len(told) == len(parts)
    for row in result.rows:
        assert row["device"] == "cpu"
        assert float(row["seconds"] or 0) > 0
        assert row["points"] == (2 if row["part"] == "tick" else 168 * int(row["stations"] or 0))
        if sys.platform == "linux":
            assert float(row["memory_mb"] or 0) >= float(row["added_mb"] or 0) >= 0
    plain = result.rows[4]
    assert plain["speedup"] == 1.0
    for row in result.rows[2:4]:
        assert row["speedup"] == pytest.approx(
            float(plain["seconds"] or 0) / float(row["seconds"] or 1)
        )
    epochs = result.rows[-1]["epochs"]
    assert epochs == 20 or any(f"after {epochs} of 20 epochs" in note for note in result.notes)
    assert 0 < float(result.rows[-1]["loss"] or 0) < 100


def test_only_what_is_asked_for_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "statsmodels" else found(name)
    )
    result = run_scenario("detect/speed", Context(methods=("plain",), cases=1, seconds=0.1))
    assert result.rows == []
    assert any("statsmodels" in note for note in result.notes)
    with pytest.raises(UnknownMemberError, match="anotuner-sliding"):
        run_scenario("detect/speed", Context(methods=("nonsense",)))


def test_the_plain_way_runs_the_same_network() -> None:
    """What differs is the condition alone: with all weight taken from it, totals are the same."""
    fleet = simulate_stations(StationsConfig(n_stations=2))
    config = AnoTunerConfig(
        form="sliding", window=24, epochs=1, n_hidden=8, memory=0.0, baseline_share=0.0
    )
    model = AnoTuner(config).fit(fleet.train)
    assert isinstance(model.network, SlidingNetwork)
    inputs = dict(model.network.decoder.named_parameters())["weight_ih_l0"]
    inputs.data[:, config.n_latent :] = 0.0
    frames = [frame for frame in fleet.test if np.isfinite(frame.values).all()]
    assert frames
    plain = plain_scores(model, frames)
    for score in model.score(frames):
        np.testing.assert_allclose(plain.totals[score.entity], score.total[23:], rtol=1e-4)
    with pytest.raises(SettingError, match="sliding form"):
        plain_scores(AnoTuner(AnoTunerConfig(epochs=0)).fit(fleet.train), frames)
