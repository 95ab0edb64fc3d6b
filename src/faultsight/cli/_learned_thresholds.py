"""What a diagnoser has learned, in words and as JSON: TelApart's thresholds, or a peer's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faultsight.diagnose.contract import Diagnoser
    from faultsight.diagnose.telapart import TelApart

__all__ = ["learned_in_words", "learned_thresholds"]

_DEFAULT = "*"
_SCORES = {
    "snr": "{:.2f} dB below usual",
    "tx_power": "{:.2f} dB above usual",
    "missing": "misses 1 in {:,.0f} by chance",
}


def learned_in_words(model: Diagnoser) -> list[str]:
    """Return a line for each feature: from when on a modem is anomalous, and what is one group."""
    telapart = _telapart(model)
    if telapart is None:
        told = [*_cablemon_lines(model), *(f"{n} {v:.3g}" for n, v in _figures(model))]
        return told or [f"{model.name} has no threshold to show"]
    rows = [("", "anomalous from", "tickets there", "one group from")]
    rows += [_row(telapart, feature) for feature in telapart.config.features]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if any(_DEFAULT in cell for row in rows for cell in row):
        lines.append(f"{_DEFAULT} a default: there are too few tickets to tell")
    return lines + _cablemon_lines(telapart)


def learned_thresholds(model: Diagnoser) -> dict[str, Any]:
    """Return the thresholds for JSON."""
    telapart = _telapart(model)
    if telapart is None:
        return {name.replace(" ", "_"): value for name, value in _figures(model)}
    told: dict[str, Any] = {}
    for feature in telapart.config.features:
        score, alike = telapart.scores.get(feature), telapart.similarity[feature]
        told[feature] = {
            "anomalous_from": None if score is None else score.to_dict(),
            "similarity": {
                "similarity": alike.similarity,
                "criterion": alike.criterion,
                "trr": alike.trr if math.isfinite(alike.trr) else None,
            },
        }
    cablemon = telapart.cablemon
    if cablemon is not None:
        told["cablemon"] = [str(feature) for feature in cablemon.selected]
    return told


def _telapart(model: Diagnoser) -> TelApart | None:
    """Return TelApart itself, or that which does the work of a peer."""
    from faultsight.diagnose.telapart import TelApart

    if isinstance(model, TelApart):
        return model
    return next((value for value in vars(model).values() if isinstance(value, TelApart)), None)


def _row(model: TelApart, feature: str) -> tuple[str, str, str, str]:
    is_paper = model.config.evidence == "paper"
    score, alike = model.scores.get(feature), model.similarity[feature]
    anomalous, tickets = "what CableMon keeps", ""
    if score is not None:
        if is_paper:
            anomalous = f"{score.value:.0f} missed poll{'s' * (score.value != 1)}"
        else:
            value = 10.0**score.value if feature == "missing" else score.value
            anomalous = _SCORES[feature].format(value)
        tickets = _DEFAULT if score.criterion == "default" else f"{score.trr:.1f} times"
    group = f"similarity {alike.similarity:.2f}"
    group += f" {_DEFAULT}" if alike.criterion == "default" else ""
    return feature.replace("_", " "), anomalous, tickets, group


def _cablemon_lines(model: Diagnoser) -> list[str]:
    """Return a line for each feature that CableMon kept, wherever the model keeps them."""
    from faultsight.diagnose.cablemon import CableMonThresholds

    kept = next((v for v in vars(model).values() if isinstance(v, CableMonThresholds)), None)
    if kept is None:
        return []
    return [f"CableMon: {feature}" for feature in kept.selected] or ["CableMon: keeps nothing"]


def _figures(model: Diagnoser) -> Iterator[tuple[str, float]]:
    """Yield the finite numbers that `fit` left behind, by name."""
    for name, value in vars(model).items():
        if name.startswith("_") or name == "config":
            continue
        if isinstance(value, float) and math.isfinite(value):
            yield name.replace("_", " "), value
        elif is_dataclass(value) and not isinstance(value, type):
            for part in fields(value):
                number = getattr(value, part.name)
                if isinstance(number, float) and math.isfinite(number):
                    yield part.name.replace("_", " "), number
