"""detect/table1: what marks are worth to every method, by its own mechanism and by ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from faultsight.bench.engine import Context, Outcome, Scenario
from faultsight.bench.feedback_cells import FeedbackPreset, run_feedback_table

_SETS = ("sim_stations", "ASD", "JS2", "CDN", "SMD")

_PRESETS: Mapping[str, FeedbackPreset] = {
    "small": FeedbackPreset(
        entities=4, of_sets={"sim_stations": 60, "SMD": 2}, most_windows=3_400,
        simulated_seeds=2, budget_s=1_740.0,
    ),
    "large": FeedbackPreset(seeds=3, simulated_seeds=5, budget_s=86_400.0),
}  # fmt: skip


class DetectTable1(Scenario):
    """The paper's Table 1 (AnoTuner, WWW '24, 4.3), with more methods, sets and figures.

    The protocol is that of detect/feedback: fitted on history, deployed at each entity's 0.995
    quantile of its scores, errors of the first 30 % of the test marked by the labels, the last 70 %
    judged. Every method is marked by its own errors. ``tuning`` says what it was given: nothing,
    false alarms, missed anomalies, or both; the random score is always there. ``fp+fn+asked`` is
    a column of ``acvae_style`` alone: it also chose 20 rows of the first 30 % to ask about.

    =============  ================================================================================
    mechanism      how a method learns from marks
    =============  ================================================================================
    own            AnoTuner by default (``anotuner``) or the paper's way (``anotuner-paper``);
                   ``acvae_style``, ``deep_sad`` and ``puad_style`` by their own; every other in
                   the conventional way: false alarms count as normal data. These learn nothing
                   from missed anomalies: ``fn`` is as untuned for them and ``fp+fn`` as ``fp``
                   (``learns_from``). Levels follow from history by the same rule as before; those
                   of ``anotuner`` are a part of its tuning.
    ours           the same layers for every method, on the scores that it gives: residual head,
                   pattern head, pooled levels, recalibration. Neither the network nor history is
                   touched. Untuned and ``fp+fn`` alone
    =============  ================================================================================

    Precision, recall and F1 of ``point_adjusted`` are the paper's: each entity at its best level,
    chosen by its labels. Those of ``deployed`` are at the levels that an operator would have.
    ``entity_`` columns hold the figures of each entity, as JSON lists. Memory is that of fitting
    and scoring untuned, of any one fleet.

    The preset ``small`` takes 4 entities of each fleet (60 simulated stations, 2 machines of SMD),
    evenly chosen among those with anomalies in both parts of the test, and lets no method see more
    than 3,400 windows in an epoch; one seed, two on simulated stations. ``large`` takes all, with
    defaults: three seeds, five on simulated stations. ``--cases`` is another number of seeds. A
    method without a seed runs once on a set that does not change with the seed.

    The summary has three parts. ``method``: means over sets (each counts alike), gains over
    untuned, mean ranks among methods tuned alike. ``difference``: by how much more
    ``anotuner`` gained in ``fp+fn`` by its own mechanism than the method did (``more``), and by how
    much its figure is then higher (``ahead``), with the 95 % interval over entities drawn anew
    within their sets, paired by set, seed and entity, the seeds of an entity averaged.
    ``ratio``: its gain over that of ``acvae_style``, where that is above 0, beside the paper's.
    """

    id: ClassVar[str] = "detect/table1"
    title: ClassVar[str] = "What marks are worth to every method, by its own mechanism and by ours"
    shown: ClassVar[tuple[str, ...]] = (
        "dataset", "method", "mechanism", "tuning", "seed", "learns_from", "marks",
        "precision_point_adjusted", "recall_point_adjusted", "f1_point_adjusted", "f1_deployed",
        "average_precision", "vus_pr", "seconds_fit", "seconds_tune", "memory_mb",
    )  # fmt: skip
    keeps_journal: ClassVar[bool] = True
    epochs: ClassVar[int | None] = None
    """Of every network and every fine-tuning in place of the default; for tests."""

    def run(self, context: Context) -> Outcome:
        """Run every method on every set that is present, or on those asked for."""
        return run_feedback_table(
            self.id, context, _PRESETS[context.preset], usual=_SETS, epochs=self.epochs
        )
