"""What a model file may hold: every setting, of its kind and within bounds, or an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from faultsight.diagnose.cablemon import CableMonConfig, CableMonThresholds
from faultsight.diagnose.telapart.config import TelApartConfig
from faultsight.diagnose.telapart.prepared_node import NodeRhythm
from faultsight.diagnose.telapart.score_threshold import ScoreGuards, ScoreThreshold
from faultsight.diagnose.telapart.ticket_guided import GuidedThreshold, ThresholdGuards

__all__ = [
    "stored_cablemon",
    "stored_config",
    "stored_rhythms",
    "stored_scores",
    "stored_similarity",
]

_MOST = 1e12
_PARTS = {"guards": ThresholdGuards, "score_guards": ScoreGuards, "cablemon": CableMonConfig}


def stored_config(told: Mapping[str, Any]) -> TelApartConfig:
    """Return the settings that were written down.

    Raises
    ------
    ValueError
        If one is missing, not known, or of another kind.
    SettingError
        If one has a value that it cannot have.
    """
    parts = {name: kind(**_fields(told[name], kind())) for name, kind in _PARTS.items()}
    return TelApartConfig(**_fields({**told, **parts}, TelApartConfig()))


def _fields(told: Mapping[str, Any], default: Any) -> dict[str, Any]:
    """Return the fields of a frozen dataclass, none left out, each of its default's type."""
    names = {field.name for field in fields(default)}
    if set(told) != names:
        raise ValueError(f"settings are missing or not known: {sorted(set(told) ^ names)}")
    out: dict[str, Any] = {}
    for name, value in told.items():
        usual = getattr(default, name)
        if isinstance(usual, tuple):
            if not isinstance(value, list):
                raise ValueError(f"{name} cannot be {value!r}")
            out[name] = tuple(_like(usual[0], each, name) for each in value)
        elif usual is None:
            out[name] = None if value is None else _like(0.0, value, name)
        else:
            out[name] = _like(usual, value, name)
    return out


def _like(usual: Any, value: Any, name: str) -> Any:
    """Return a value as the type of another; numbers may be written either way."""
    if _is_number(usual) and _is_number(value):
        if not abs(value) <= _MOST:
            raise ValueError(f"{name} cannot be {value!r}")
        if isinstance(usual, float) or value == int(value):
            return type(usual)(value)
    elif type(value) is type(usual):
        return value
    raise ValueError(f"{name} cannot be {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def stored_scores(told: Mapping[str, Any], config: TelApartConfig) -> dict[str, ScoreThreshold]:
    """Return the thresholds of scores: those that the settings need, and no other."""
    needed = [f for f in config.features if config.evidence == "deviation" or f == "missing"]
    _same_names(told, needed)
    found = {feature: ScoreThreshold.from_dict(told[feature]) for feature in needed}
    _finite(*(threshold.value for threshold in found.values()))
    return found


def stored_similarity(
    told: Mapping[str, Any], config: TelApartConfig
) -> dict[str, GuidedThreshold]:
    """Return the thresholds of similarity, one for each feature."""
    _same_names(told, config.features)
    found = {feature: GuidedThreshold.from_dict(told[feature]) for feature in config.features}
    _finite(*(threshold.similarity for threshold in found.values()))
    return found


def stored_cablemon(told: Mapping[str, Any] | None) -> CableMonThresholds | None:
    """Return what CableMon learned, where it is used."""
    if told is None:
        return None
    found = CableMonThresholds.from_dict(told)
    for feature in found.selected:
        if not isinstance(feature.is_below, bool):
            raise ValueError(f"is_below cannot be {feature.is_below!r}")
        _like(0.0, feature.threshold, "threshold")
        _like(0.0, feature.trr, "trr")
    return found


def stored_rhythms(told: Mapping[str, Any]) -> dict[str, NodeRhythm]:
    """Return the rhythms of fiber nodes."""
    found = {}
    for fnode, (interval_s, threshold_s, phase_s, accuracy) in told.items():
        rhythm = NodeRhythm(
            float(interval_s), float(threshold_s), float(phase_s),
            math.nan if accuracy is None else float(accuracy),
        )  # fmt: skip
        _finite(rhythm.interval_s, rhythm.threshold_s, rhythm.phase_s)
        is_right = 1.0 <= rhythm.interval_s <= rhythm.threshold_s <= 2.0 * rhythm.interval_s
        if not (is_right and 0.0 <= rhythm.phase_s <= rhythm.interval_s):
            raise ValueError(f"{fnode} cannot be polled like that")
        found[fnode] = rhythm
    return found


def _same_names(told: Mapping[str, Any], names: Any) -> None:
    if set(told) != set(names):
        raise ValueError(f"thresholds are missing or not known: {sorted(set(told) ^ set(names))}")


def _finite(*values: float) -> None:
    if not all(map(math.isfinite, values)):
        raise ValueError("a threshold is not finite")
