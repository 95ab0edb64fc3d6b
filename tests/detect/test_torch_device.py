"""Where networks run: what is not there is refused before anything begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from faultsight.core.errors import SettingError
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
from faultsight.detect.torch_device import checked_device
from faultsight.sim.base_stations import StationsConfig, simulate_stations


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingError, match=r"torch .* sees no GPU here; use 'cpu'"):
        checked_device("cuda")
    with pytest.raises(SettingError, match="'cpu' or 'cuda', not 'tpu'"):
        checked_device("tpu")
    with pytest.raises(SettingError, match="sees no GPU"):
        AnoTuner(device="cuda")
    model = AnoTuner()
    with pytest.raises(SettingError, match="sees no GPU"):
        model.device = "cuda"
    assert model.device == "cpu"


def test_a_gpu_keeps_to_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert checked_device("cpu") == "cpu"
    assert torch.backends.cudnn.allow_tf32
    assert checked_device("cuda") == "cuda"
    assert not torch.backends.cudnn.allow_tf32


def test_a_saved_model_knows_of_no_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was trained on a GPU is loaded where there is none."""
    train = simulate_stations(StationsConfig(n_stations=1)).train
    model = AnoTuner(AnoTunerConfig(epochs=1, n_hidden=8), device="cpu").fit(train)
    monkeypatch.setattr(model, "_device", "cuda")
    model.save(tmp_path)
    assert "device" not in json.dumps(json.loads((tmp_path / "model.json").read_text()))
    loaded = AnoTuner.load(tmp_path)
    assert loaded.device == "cpu"
    assert loaded.score(train)[0].total.shape == (len(train[0]),)
