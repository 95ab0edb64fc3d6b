"""What tuning did: which marks it learned from, and which layers were kept and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from faultsight.detect.tuning.guard import GuardVerdict
from faultsight.detect.tuning.marked_rows import MarkedRows

__all__ = ["TuningReport"]


@dataclass(frozen=True)
class TuningReport:
    """What tuning did.

    Attributes
    ----------
    n_marks : mapping of str to int
        Marks learned from, by kind.
    dropped : mapping of str to int
        Marks that could not be used, by reason.
    n_generated, n_history, n_asked : int
        Windows augmented, sampled from history, and shown to the operator.
    verdicts : tuple of GuardVerdict
        For each layer, whether it was kept and why.
    """

    n_marks: dict[str, int]
    dropped: dict[str, int]
    n_generated: int = 0
    n_history: int = 0
    n_asked: int = 0
    verdicts: tuple[GuardVerdict, ...] = field(default=())

    @classmethod
    def of(cls, marked: MarkedRows) -> TuningReport:
        """Return the report of marks that nothing was learned from yet."""
        counts: dict[str, int] = {}
        for span in marked.spans:
            counts[span.mark.kind.value] = counts.get(span.mark.kind.value, 0) + 1
        return cls(counts, dict(marked.dropped))

    @property
    def changed(self) -> bool:
        """Whether any layer was kept."""
        return any(verdict.kept for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "marks": self.n_marks,
            "dropped_marks": self.dropped,
            "generated_windows": self.n_generated,
            "history_windows": self.n_history,
            "asked_windows": self.n_asked,
            "layers": [verdict.to_dict() for verdict in self.verdicts],
        }
