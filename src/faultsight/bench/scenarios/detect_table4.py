"""detect/table4: what marks are worth on two water plants, for users who hold the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from faultsight.bench.engine import Context, Outcome, Scenario
from faultsight.bench.feedback_cells import FeedbackPreset, run_feedback_table

_SETS = ("SWaT", "WADI")

_PRESETS: Mapping[str, FeedbackPreset] = {
    "small": FeedbackPreset(most_windows=3_400, budget_s=3_600.0),
    "large": FeedbackPreset(seeds=3, budget_s=86_400.0),
}


class DetectTable4(Scenario):
    """The paper's Table 4 (AnoTuner, WWW '24, appendix): SWaT and WADI, untuned and tuned.

    Rows, mechanisms and summary are those of detect/table1. The two sets are given to those who
    apply for them, and to nobody else: none of it is shipped, and we publish no result. Without
    either the error says where to apply, and which files are to lie where; the one that is missing
    is left out. Each is one plant, so that no interval over entities can be given.

    The preset ``small`` lets no method see more than 3,400 windows in an epoch, with one seed;
    ``large`` has defaults and three seeds. ``--cases`` is another number of seeds.
    """

    id: ClassVar[str] = "detect/table4"
    title: ClassVar[str] = "What marks are worth on SWaT and WADI, for users who hold the files"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "mechanism", "tuning", "seed", "learns_from", "marks",
        "f1_point_adjusted", "f1_deployed", "average_precision", "vus_pr", "seconds_fit",
        "seconds_tune", "memory_mb",
    )  # fmt: skip
    keeps_journal: ClassVar[bool] = True
    epochs: ClassVar[int | None] = None
    """Of every network and every fine-tuning in place of the default; for tests."""

    def run(self, context: Context) -> Outcome:
        """Run every method on each plant whose files are present, or on those asked for."""
        return run_feedback_table(
            self.id, context, _PRESETS[context.preset], usual=_SETS, epochs=self.epochs
        )
