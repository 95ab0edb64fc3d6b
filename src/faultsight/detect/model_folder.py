"""A deployed detector on disk: a folder of tensors (safetensors) and one JSON file, its card.

Nothing in it can run code. A folder is written beside its place under another name and renamed, so
that it is there as a whole or not at all; it is never changed afterwards. Folders of AnoTuner are
written and read here, too, where torch is installed; nothing else needs torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from faultsight import __version__
from faultsight.core.errors import FaultSightError, InputError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.contract import DetectorState, Storable
from faultsight.detect.deployed import DeployedConfig, DeployedDetector
from faultsight.detect.tuning.pattern_head import PatternHead
from faultsight.detect.tuning.residual_head import ResidualHead

if TYPE_CHECKING:
    from faultsight.detect.anotuner import AnoTuner

__all__ = ["load_detector", "read_card", "save_detector"]

_FORMAT = 1
_CARD = "model.json"
_TENSORS = "detector.safetensors"
_METHOD, _ANOTUNER = "deployed", "anotuner"


def save_detector(
    detector: DeployedDetector | AnoTuner, folder: Path | str, card: Mapping[str, Any]
) -> Path:
    """Write a fitted detector as a folder that is there as a whole or not at all.

    Parameters
    ----------
    detector : DeployedDetector or AnoTuner
        Fitted, and perhaps tuned.
    folder : path
        Where it shall lie. Nothing is there yet, or the same model already is.
    card : mapping
        What is told of it beside what it knows of itself, for JSON: what it was made from, by
        whom, the figures that it reached.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the detector is not fitted or cannot be stored, or another model lies there.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import KpiFrame
    >>> cell = KpiFrame("cell-1", ("load",), 0, 60, np.random.default_rng(0).normal(size=(99, 1)))
    >>> detector = DeployedDetector().fit([cell])
    >>> folder = Path(tempfile.mkdtemp()) / "model"
    >>> again = load_detector(save_detector(detector, folder, {"by": "an operator"}))
    >>> again.score([cell])[0].total.tobytes() == detector.score([cell])[0].total.tobytes()
    True
    >>> read_card(folder)["card"]
    {'by': 'an operator'}
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    written = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    try:
        if isinstance(detector, DeployedDetector):
            _write(detector, written, card)
        else:
            detector.save(written, **card)
        if folder.exists():
            if _bytes_of(folder) != _bytes_of(written):
                raise InputError("another model lies here; a model is never changed",
                                 source=str(folder))  # fmt: skip
            return folder
        written.chmod(0o755)
        written.rename(folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(written, ignore_errors=True)
    return folder


def load_detector(folder: Path | str) -> DeployedDetector | AnoTuner:
    """Read a detector that `save_detector` wrote.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind; names the file.
    MissingExtraError
        If it is an AnoTuner and torch is not installed.
    """
    folder = Path(folder)
    told = read_card(folder)
    if told.get("method") == _ANOTUNER:
        from faultsight import detect

        model: AnoTuner = detect.AnoTuner.load(folder)
        return model
    if told.get("method") != _METHOD:
        raise InputError("is not a model of a deployed detector", source=str(folder / _CARD))
    path = folder / _TENSORS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError("the model's tensors cannot be read", source=str(path)) from error
    if hashlib.sha256(data).hexdigest() != told.get("sha256"):
        raise InputError("is damaged: its digest is another", source=str(path))
    try:
        return _detector(told, load(data))
    except InputError as error:
        raise InputError(error.problem, source=str(folder)) from error
    except FaultSightError as error:
        raise InputError(str(error), source=str(folder)) from error
    except (
        AttributeError, KeyError, TypeError, ValueError, OverflowError, SafetensorError,
    ) as error:  # fmt: skip
        raise InputError(f"is not a deployed detector: {error}", source=str(folder)) from error


def read_card(folder: Path | str) -> dict[str, Any]:
    """Return what a model's JSON file says.

    Raises
    ------
    InputError
        If there is none or it is not one of ours; names the file.
    """
    path = Path(folder) / _CARD
    try:
        told = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError("there is no model here", source=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise InputError("is not JSON", source=str(path)) from error
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        raise InputError(f"is not a model of format {_FORMAT}", source=str(path))
    return told


def _write(model: DeployedDetector, folder: Path, card: Mapping[str, Any]) -> None:
    if not model.kpis:
        raise InputError("a detector that is not fitted cannot be saved")
    if not isinstance(model.detector, Storable):
        raise InputError(f"{model.detector.name} cannot be stored")
    state = model.detector.state()
    entities = list(model.levels)
    arrays: dict[str, NDArray[Any]] = {f"state.{k}": v for k, v in state.arrays.items()}
    arrays["levels"] = np.array([model.levels[entity] for entity in entities], dtype=np.float64)
    arrays["spans"] = np.array(
        [[span.start_s, span.end_s] for span in model.spans.values()], dtype=np.int64
    )
    if model.usual:
        arrays["usual"] = np.stack(list(model.usual.values()))
    data = save({name: np.asarray(arrays[name], order="C") for name in sorted(arrays)})
    told = {
        "format": _FORMAT,
        "method": _METHOD,
        "faultsight": __version__,
        "sha256": hashlib.sha256(data).hexdigest(),
        "config": asdict(model.config),
        "settings": dict(state.settings),
        "kpis": list(model.kpis),
        "interval_s": model.interval_s,
        "trained": [model.trained.start_s, model.trained.end_s],
        "entities": {
            "state": list(state.entities),
            "levels": entities,
            "spans": list(model.spans),
            "usual": list(model.usual),
        },
        "head": None if model.head is None else model.head.to_dict(),
        "patterns": None if model.patterns is None else model.patterns.to_dict(),
        "marks": [
            [m.entity, m.window.start_s, m.window.end_s, m.kind.value, list(m.kpis)]
            for m in model.marks
        ],
        "card": dict(card),
    }
    write_atomic(folder / _TENSORS, data)
    text = json.dumps(told, indent=1, sort_keys=True, allow_nan=False)
    write_atomic(folder / _CARD, text + "\n")
    _sync(folder)


def _detector(told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> DeployedDetector:
    from faultsight.detect import DETECTORS

    config = DeployedConfig(**told["config"])
    member = DETECTORS.load(config.detector)
    if not issubclass(member, Storable):
        raise InputError(f"{config.detector} cannot be stored")
    kpis, interval_s = tuple(map(str, told["kpis"])), int(told["interval_s"])
    entities = {name: tuple(map(str, who)) for name, who in told["entities"].items()}
    prefix = "state."
    state = DetectorState(
        told["settings"], kpis, interval_s, entities["state"],
        {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)},
    )  # fmt: skip
    own = DetectorState({}, kpis, interval_s, (), arrays)
    model = DeployedDetector(config, detector=member.from_state(state))
    model.kpis, model.interval_s = kpis, interval_s
    levels = own.array("levels", len(entities["levels"])).tolist()
    model.levels = dict(zip(entities["levels"], levels, strict=True))
    model.spans = {
        entity: TimeWindow(int(start), int(end))
        for entity, (start, end) in zip(entities["spans"], arrays["spans"].tolist(), strict=True)
    }
    if entities["usual"]:
        usual = own.array("usual", len(entities["usual"]), len(kpis))
        model.usual = dict(zip(entities["usual"], usual, strict=True))
    model.head = None if told["head"] is None else ResidualHead.from_dict(told["head"])
    model.patterns = (
        None if told.get("patterns") is None else PatternHead.from_dict(told["patterns"])
    )
    model.marks = tuple(
        Mark(str(e), TimeWindow(int(a), int(b)), MarkKind(kind), tuple(map(str, kpis)))
        for e, a, b, kind, kpis in told["marks"]
    )
    return model


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _sync(folder: Path) -> None:
    """Let the names in a folder outlast a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
