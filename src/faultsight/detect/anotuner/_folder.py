"""A model on disk: a folder of tensors (safetensors) and one JSON file that says what they are.

Nothing in it can run code. The JSON file is written last and names the digest of the tensors, so
that a half-written folder is never taken for a model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from faultsight import __version__
from faultsight.core.errors import FaultSightError, InputError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.files import write_atomic
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.anotuner._network import NetworkShape
from faultsight.detect.anotuner._training import make_network
from faultsight.detect.anotuner.conditions import CONDITIONS
from faultsight.detect.scaling import Scaling
from faultsight.detect.tuning.pattern_head import PatternHead
from faultsight.detect.tuning.residual_head import ResidualHead

if TYPE_CHECKING:
    from faultsight.detect.anotuner import AnoTuner

__all__ = ["load_model", "read_card", "save_model"]

_FORMAT = 1
_CARD = "model.json"


def save_model(model: AnoTuner, folder: Path, card: Mapping[str, Any]) -> Path:
    """Write a fitted model; `card` is kept beside what the model knows of itself.

    Raises
    ------
    InputError
        If the model is not fitted.
    """
    if not model.kpis:
        raise InputError("a model that is not fitted cannot be saved")
    entities = list(model.usual)
    tensors = {f"network.{name}": value for name, value in model.network.state_dict().items()}
    arrays = {f"condition.{name}": value for name, value in model.condition.state().items()}
    arrays["usual"] = np.stack([model.usual[entity] for entity in entities])
    arrays["usual_elsewhere"] = model.usual_elsewhere
    arrays["scaling.low"] = np.stack([model.scaling.low[entity] for entity in entities])
    arrays["scaling.span"] = np.stack([model.scaling.span[entity] for entity in entities])
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
    data = save({name: value.contiguous() for name, value in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    told: dict[str, Any] = {
        "format": _FORMAT,
        "method": model.name,
        "faultsight": __version__,
        "tensors": f"{digest[:16]}.safetensors",
        "sha256": digest,
        "config": asdict(model.config),
        "kpis": list(model.kpis),
        "interval_s": model.interval_s,
        "spans": [[e, span.start_s, span.end_s] for e, span in model.spans.items()],
        "entities": entities,
        "levels": model.levels,
        "head": None if model.head is None else model.head.to_dict(),
        "patterns": None if model.patterns is None else model.patterns.to_dict(),
        "losses": model.losses,
        "marks": [
            [m.entity, m.window.start_s, m.window.end_s, m.kind.value, list(m.kpis)]
            for m in model.marks
        ],
        "card": dict(card),
    }
    write_atomic(folder / told["tensors"], data)
    write_atomic(folder / _CARD, json.dumps(told, indent=1, sort_keys=True) + "\n")
    for other in folder.glob("*.safetensors"):
        if other.name != told["tensors"]:
            other.unlink()
    return folder


def load_model(folder: Path) -> AnoTuner:
    """Read a model that `save_model` wrote.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind; names the file.
    """
    from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig

    told = read_card(folder)
    try:
        name = Path(told["tensors"]).name
        data = (folder / name).read_bytes()
    except (OSError, KeyError, TypeError) as error:
        raise InputError("the model's tensors cannot be read", source=str(folder)) from error
    if hashlib.sha256(data).hexdigest() != told.get("sha256"):
        raise InputError("is damaged: its digest is another", source=str(folder / name))
    try:
        tensors = load(data)
        arrays = {k: v.numpy() for k, v in tensors.items() if not k.startswith("network.")}
        # Models of before the baseline had a share in scores know of the reconstruction alone.
        model = AnoTuner(AnoTunerConfig(**{"baseline_share": 0.0} | told["config"]))
        if arrays["usual_elsewhere"].ndim == 1:
            for name in ("usual", "usual_elsewhere"):
                arrays[name] = np.expand_dims(arrays[name], -2)
        model.kpis = tuple(told["kpis"])
        model.interval_s = int(told["interval_s"])
        entities = [str(entity) for entity in told["entities"]]
        model.scaling = Scaling(
            dict(zip(entities, arrays["scaling.low"], strict=True)),
            dict(zip(entities, arrays["scaling.span"], strict=True)),
        )
        model.condition = CONDITIONS.load(model.config.condition).from_state(
            {
                k.removeprefix("condition."): v
                for k, v in arrays.items()
                if k.startswith("condition.")
            }
        )
        model.usual = dict(zip(entities, arrays["usual"], strict=True))
        model.usual_elsewhere = arrays["usual_elsewhere"]
        shape = NetworkShape(
            len(model.kpis), len(model.kpis) * model.condition.n_channels,
            model.config.n_filters, model.config.n_hidden, model.config.n_latent,
        )  # fmt: skip
        network = make_network(model.config.form, shape, seed=model.config.seed)
        network.load_state_dict(
            {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        )
        model.network = network.eval()
        model.levels = {str(e): float(level) for e, level in told["levels"].items()}
        model.head = None if told["head"] is None else ResidualHead.from_dict(told["head"])
        model.patterns = (
            None if told.get("patterns") is None else PatternHead.from_dict(told["patterns"])
        )
        model.spans = {str(e): TimeWindow(int(a), int(b)) for e, a, b in told["spans"]}
        model.losses = [float(loss) for loss in told["losses"]]
        model.marks = tuple(
            Mark(str(e), TimeWindow(int(a), int(b)), MarkKind(kind), tuple(map(str, kpis)))
            for e, a, b, kind, kpis in told["marks"]
        )
    except FaultSightError:
        raise
    except (
        AttributeError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError,
    ) as error:  # fmt: skip
        raise InputError(f"is not a model of AnoTuner: {error}", source=str(folder)) from error
    return model


def read_card(folder: Path) -> dict[str, Any]:
    """Return what a model's JSON file says.

    Raises
    ------
    InputError
        If there is none or it is not one of ours; names the file.
    """
    path = folder / _CARD
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("there is no model here", source=str(path)) from error
    except ValueError as error:
        raise InputError("is not JSON", source=str(path)) from error
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        raise InputError(f"is not a model of format {_FORMAT}", source=str(path))
    return told
