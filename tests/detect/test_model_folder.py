"""Stored detectors: the same bytes again, whole or not there, and nothing that could run."""

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faultsight.core.errors import FaultSightError, InputError, MissingExtraError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect import DETECTORS
from faultsight.detect.checks import small_fleet
from faultsight.detect.contract import Storable
from faultsight.detect.deployed import DeployedConfig, DeployedDetector, LayersConfig
from faultsight.detect.model_folder import load_detector, read_card, save_detector

_FRAMES = small_fleet(seed=30)
_STORED = [
    name
    for name in DETECTORS.names()
    if name != "anotuner" and issubclass(DETECTORS.load(name), Storable)
]
_MARKS = [
    Mark("cell-0", TimeWindow(100 * 3600, 102 * 3600), MarkKind.FALSE_ALARM, ("drops",)),
    Mark("cell-1", TimeWindow(110 * 3600, 113 * 3600), MarkKind.MISSED),
    Mark("cell-2", TimeWindow(120 * 3600, 121 * 3600), MarkKind.FALSE_ALARM),
]


def _tuned(name: str = "ridge_var") -> DeployedDetector:
    detector = DeployedDetector(DeployedConfig(name)).fit([frame[:96] for frame in _FRAMES])
    return detector.tune(_FRAMES, _MARKS, LayersConfig(guard=False))[0]


def _digest(folder: Path) -> str:
    together = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    return hashlib.sha256(together).hexdigest()


@pytest.mark.parametrize("name", _STORED)
def test_a_tuned_detector_comes_back_the_same(name: str, tmp_path: Path) -> None:
    tuned = _tuned(name)
    folder = save_detector(tuned, tmp_path / "0001", {"parent": None, "figures": {"f1": 0.5}})
    again = load_detector(folder)
    for one, other in zip(tuned.score(_FRAMES), again.score(_FRAMES), strict=True):
        assert one.total.tobytes() == other.total.tobytes()
    assert (again.levels, again.spans, again.marks) == (tuned.levels, tuned.spans, tuned.marks)
    assert _digest(save_detector(again, tmp_path / "0002", read_card(folder)["card"])) == _digest(
        folder
    )
    card = read_card(folder)
    assert card["trained"] == [0, 96 * 3600]
    assert card["kpis"] == ["load", "drops", "delay_ms"]
    assert len(card["marks"]) == 3
    assert card["card"] == {"parent": None, "figures": {"f1": 0.5}}


def test_a_model_is_never_changed(tmp_path: Path) -> None:
    tuned = _tuned()
    folder = save_detector(tuned, tmp_path / "0001", {})
    before = _digest(folder)
    save_detector(tuned, folder, {})
    with pytest.raises(InputError, match="never changed"):
        save_detector(tuned, folder, {"by": "another"})
    assert _digest(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["0001"]


def test_anotuner_is_stored_and_loaded_too(tmp_path: Path) -> None:
    from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig

    quick = AnoTunerConfig(epochs=1, window=24, n_hidden=8, n_filters=4, n_latent=2)
    model = AnoTuner(quick).fit([frame[:96] for frame in _FRAMES])
    folder = save_detector(model, tmp_path / "0001", {"by": "a test"})
    again = load_detector(folder)
    assert isinstance(again, AnoTuner)
    assert [s.total.tobytes() for s in again.score(_FRAMES)] == [
        s.total.tobytes() for s in model.score(_FRAMES)
    ]
    assert read_card(folder)["card"] == {"by": "a test"}


def test_torch_is_asked_for_by_anotuner_alone(tmp_path: Path) -> None:
    folder = save_detector(_tuned(), tmp_path / "0001", {})
    other = tmp_path / "0002"
    other.mkdir()
    (other / "model.json").write_text(json.dumps({"format": 1, "method": "anotuner"}))
    code = textwrap.dedent(f"""
        import sys

        class NoTorch:
            def find_spec(self, name, path, target=None):
                if name == "torch":
                    raise ModuleNotFoundError("there is no torch here", name=name)

        sys.meta_path.insert(0, NoTorch())
        from faultsight.core.errors import MissingExtraError
        from faultsight.detect.model_folder import load_detector
        load_detector({str(folder)!r})
        try:
            load_detector({str(other)!r})
        except MissingExtraError as error:
            print(error)
        """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "faultsight[detect]" in done.stdout


class _Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("name", ["detector.safetensors", "model.json"])
@pytest.mark.parametrize("told", [True, False])
def test_a_pickle_is_refused_and_never_run(
    name: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = save_detector(_tuned(), tmp_path / "0001", {})
    bomb = pickle.dumps(_Bomb())
    (folder / name).write_bytes(bomb)
    if told and name != "model.json":  # the digest is right: only the format is wrong
        card = json.loads((folder / "model.json").read_bytes())
        card["sha256"] = hashlib.sha256(bomb).hexdigest()
        (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="0001"):
        load_detector(folder)
    assert not (tmp_path / "exploded").exists()


def test_a_card_names_members_only(tmp_path: Path) -> None:
    folder = save_detector(_tuned(), tmp_path / "0001", {})
    card = json.loads((folder / "model.json").read_bytes())
    changes: list[dict[str, Any]] = [
        {"config": {"detector": "os"}}, {"config": {"detector": "anotuner"}},
        {"config": {"threshold": "os.system"}}, {"config": 3}, {"kpis": []},
        {"entities": {}}, {"marks": [["a"]]}, {"head": {"kpis": 3}}, {"settings": {"n_lags": -1}},
        {"settings": {"n_lags": 9}}, {"interval_s": "x"}, {"method": "another"}, {"format": 2},
    ]  # fmt: skip
    for change in changes:
        (folder / "model.json").write_text(json.dumps({**card, **change}))
        with pytest.raises(InputError, match="0001"):
            load_detector(folder)


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(where=st.integers(0, 10**6), flip=st.integers(1, 255), is_card=st.booleans())
def test_damage_is_refused_or_harmless(
    where: int, flip: int, is_card: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = save_detector(_tuned(), tmp_path_factory.mktemp("m") / "0001", {})
    path = folder / ("model.json" if is_card else "detector.safetensors")
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= flip
    path.write_bytes(bytes(data))
    try:
        found = load_detector(folder)
    except (InputError, MissingExtraError):
        return
    assert is_card  # every byte of the tensors is under the digest
    try:
        found.score(_FRAMES)
    except FaultSightError:
        return


def test_killed_at_any_moment_a_model_is_whole_or_absent(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import itertools
        from faultsight.detect.checks import small_fleet
        from faultsight.detect.deployed import DeployedDetector
        from faultsight.detect.model_folder import save_detector
        detector = DeployedDetector().fit(small_fleet(seed=30))
        print("ready", flush=True)
        for number in itertools.count():
            save_detector(detector, f"{tmp_path}/{{number:06d}}", {{}})
        """)
    chance = np.random.default_rng(0)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(float(chance.uniform(0.0, 0.1)))
            writer.send_signal(signal.SIGKILL)
        for folder in tmp_path.glob("[0-9]*"):
            load_detector(folder)


def test_nothing_is_left_where_a_model_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not fitted"):
        save_detector(DeployedDetector(), tmp_path / "0001", {})
    with pytest.raises(InputError, match="no model"):
        load_detector(tmp_path / "0001")
    assert list(tmp_path.iterdir()) == []
