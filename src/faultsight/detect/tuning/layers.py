"""Layers of tuning, taken one after the other: each builds on those that were kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from faultsight.core.feedback import MarkKind
from faultsight.detect.contract import Progress
from faultsight.detect.tuning.guard import CrossValidation, GuardVerdict, Model
from faultsight.detect.tuning.marked_rows import MarkedRows

__all__ = ["POOLED", "POOLED_FROM", "Layer", "take_layers"]

POOLED_FROM, POOLED = "quantile", "pooled_quantile"
"""The rule whose levels are pooled over the fleet, and the rule that does so."""
_LOWERED = "lowered levels"


@dataclass(frozen=True)
class Layer(Generic[Model]):
    """One way to learn from marks.

    Attributes
    ----------
    title : str
        What it is called in reports.
    learn : callable
        Returns what it makes of a model and of marks; never changes the model.
    moves_levels : bool
        Whether it moves levels and leaves scores as they are.
    is_fallback : bool
        Taken only where the layer before it was rolled back.
    """

    title: str
    learn: Callable[[Model, MarkedRows], Model]
    moves_levels: bool = False
    is_fallback: bool = False


def take_layers(
    model: Model,
    layers: Sequence[Layer[Model]],
    marked: MarkedRows,
    *,
    guard: CrossValidation[Model] | None,
    progress: Progress,
    lowered: Callable[[Model, float], Model] | None = None,
) -> tuple[Model, tuple[GuardVerdict, ...]]:
    """Return the model after the layers that the guard keeps, and its verdicts.

    Parameters
    ----------
    model : Deployed
        Before any layer.
    layers : sequence of Layer
        In order.
    marked : MarkedRows
        All marks; the guard shows each layer a part of them first.
    guard : CrossValidation, optional
        Judges each layer; without one, all are kept.
    progress : callable
        Told in a short line what happens.
    lowered : callable, optional
        Returns a model with all levels times a factor. With it, and with alarms among the marks
        that were confirmed, levels come down in the end as far as the guard says; without a
        confirmed alarm nobody can tell what tuning has silenced.
    """
    verdicts: list[GuardVerdict] = []
    for layer in layers:
        if layer.is_fallback and verdicts and verdicts[-1].kept:
            continue
        progress(f"tuning: {layer.title}")
        if guard is None:
            n_marks = len(marked.spans)
            verdict = GuardVerdict(layer.title, True, None, None, n_marks, "not guarded")
        else:
            verdict = guard.judge(layer.title, layer.learn, moves_levels=layer.moves_levels)
        said = "kept" if verdict.kept else "rolled back"
        progress(f"tuning: {layer.title} {said}: {verdict.reason}")
        if verdict.kept:
            model = layer.learn(model, marked)
        verdicts.append(verdict)
    is_confirmed = any(span.mark.kind is MarkKind.CONFIRMED for span in marked.spans)
    if guard is not None and lowered is not None and is_confirmed:
        factor, verdict = guard.lower(_LOWERED)
        progress(f"tuning: {_LOWERED}: {verdict.reason}")
        if verdict.kept:
            model = lowered(model, factor)
        verdicts.append(verdict)
    return model, tuple(verdicts)
