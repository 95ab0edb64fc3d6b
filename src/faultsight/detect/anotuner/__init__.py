"""AnoTuner: a conditional variational autoencoder that learns from an operator's few marks.

Zhaoyang Yu et al., "Supervised Fine-Tuning for Unsupervised KPI Anomaly Detection for Mobile Web
Systems", WWW '24. One network is trained without labels for a fleet of entities. It scores a row
by how badly it is reconstructed and, if wanted, by how far it is from what is usual at that time
of day, in units of what is usual for that entity and KPI. Marks of false alarms and missed
anomalies then tune it, layer by layer; see `TuningConfig`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.anotuner._kept import KeptDeviations
from faultsight.detect.anotuner._network import Network, NetworkShape
from faultsight.detect.anotuner._residuals import deviations
from faultsight.detect.anotuner._rows import RowBank
from faultsight.detect.anotuner._training import Training, train
from faultsight.detect.anotuner._tuning import TuningConfig, TuningReport, tune
from faultsight.detect.anotuner.conditions import CONDITIONS, Condition
from faultsight.detect.contract import Progress, Score, silent
from faultsight.detect.levelled import LevelledDetector
from faultsight.detect.scaling import Scaling
from faultsight.detect.thresholds import THRESHOLDS
from faultsight.detect.torch_device import checked_device
from faultsight.detect.tuning.active_learning import Query
from faultsight.detect.tuning.aggregation import aggregate, remember
from faultsight.detect.tuning.pattern_head import PatternHead
from faultsight.detect.tuning.residual_head import ResidualHead

__all__ = ["AnoTuner", "AnoTunerConfig", "Query", "TuningConfig", "TuningReport"]

torch.set_num_threads(1)  # more are slower on such small steps, and sums would round otherwise

_LEAST_ERROR = 1e-6
"""Squared, in scaled units: what a KPI that never moves may always differ by."""
_CELLS_A_SHARD = 20_000_000


@dataclass(frozen=True)
class AnoTunerConfig:
    """Every setting of the network, its training and its deployed threshold.

    Parameters
    ----------
    form : {"streaming", "sliding"}
        Whether a row is read once, with what came before in the network's state, or again in
        every window that holds it, as in the paper.
    condition : str
        What the decoder is told of a row: ``"profile"`` (time of day and recent level) or
        ``"stl"`` (the paper's seasonal-trend decomposition).
    window : int
        Rows of a training window, and of a scored one in the sliding form.
    n_filters, n_hidden, n_latent : int
        Sizes of the network.
    epochs, batch : int
        Passes over the windows of history; windows a step.
    most_windows : int
        Windows of one epoch: starts are thinned evenly to at most so many.
    learning_rate, clip : float
        Of Adam; largest norm of a step's gradient.
    variance, beta : float
        Of the Gaussian likelihood, in scaled units squared; weight of the divergence from the
        prior, where 1 is the evidence lower bound.
    baseline_share : float
        Share of a residual that is measured from what is usual at the row's time of day; the rest
        is from the reconstruction, which follows a state that lasts. Below 1; 0 is the paper's.
    memory : float
        Share of a residual's last average that is kept from row to row: what lasts ranks higher
        than a spike, and alarms reach a row or two beyond a fault's end. 0 scores each row by
        itself, as the paper does.
    largest : int, optional
        Only so many of a row's largest residuals make its score; all if None.
    threshold : str
        How the deployed level of each entity follows from its training scores; a name of
        `THRESHOLDS`, with its defaults.
    seed : int
        Of everything that is drawn.

    Examples
    --------
    >>> AnoTunerConfig.paper().form
    'sliding'
    """

    form: Literal["streaming", "sliding"] = "streaming"
    condition: str = "profile"
    window: int = 48
    n_filters: int = 32
    n_hidden: int = 64
    n_latent: int = 8
    epochs: int = 20
    batch: int = 256
    most_windows: int = 8_000
    learning_rate: float = 2e-3
    clip: float = 5.0
    variance: float = 0.01
    beta: float = 1.0
    baseline_share: float = 0.2
    memory: float = 0.4
    largest: int | None = None
    threshold: str = "quantile"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.form not in ("streaming", "sliding"):
            raise SettingError(f"form is 'streaming' or 'sliding', not {self.form!r}")
        for name in ("window", "n_filters", "n_hidden", "n_latent", "batch", "most_windows"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 1")
        for name in ("epochs", "beta"):
            if not getattr(self, name) >= 0:
                raise SettingError(f"{name} must be at least 0")
        for name in ("learning_rate", "clip", "variance"):
            if not getattr(self, name) > 0:
                raise SettingError(f"{name} must be above 0")
        for name in ("baseline_share", "memory"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"{name} is at least 0 and below 1, not {getattr(self, name)}")
        if self.largest is not None and self.largest < 1:
            raise SettingError(f"largest must be at least 1, not {self.largest}")

    @classmethod
    def paper(cls, **changes: Any) -> AnoTunerConfig:
        """Return the paper's model: windows of a day, conditioned on STL."""
        said: dict[str, Any] = {
            "form": "sliding", "condition": "stl", "window": 24, "epochs": 15,
            "baseline_share": 0.0, "memory": 0.0,
        }  # fmt: skip
        return cls(**(said | changes))

    @property
    def training(self) -> Training:
        """The part that decides training."""
        return Training(
            window=self.window,
            epochs=self.epochs,
            batch=self.batch,
            most_windows=self.most_windows,
            learning_rate=self.learning_rate,
            clip=self.clip,
            variance=self.variance,
            beta=self.beta,
            seed=self.seed,
        )


class AnoTuner(LevelledDetector):
    """AnoTuner (WWW '24), trained without labels and tuned by marks.

    Altered later rows change no byte of an earlier score. Appended ones may change its last bits,
    above all of a single entity's first few rows: sums over another number of rows at once round
    otherwise in float32, by less than a millionth of the score.

    Parameters
    ----------
    config : AnoTunerConfig, optional
        The settings; ``AnoTunerConfig.paper()`` is the paper's model.
    checkpoint : path, optional
        A file that training writes after each epoch and goes on from if it was interrupted.
    device : {"cpu", "cuda"}
        Where the network is trained and scores: on the processor, or on a GPU that torch sees.
        Fine-tuning by marks stays on the processor. No part of a saved model; may be set again.
        The same seed gives the same bytes on the processor alone.

    Attributes
    ----------
    levels : dict of str to float
        The deployed level of each entity: a row alarms when its score is above.
    usual : dict of str to array of shape (part, kpi)
        Mean squares on history, in scaled units: of what the reconstruction leaves over and, if
        that has a share in residuals, of the distance from what is usual at the time of day.
    patterns : PatternHead or None
        What marks look like, and how far that counts.
    head : ResidualHead or None
        What marks taught about KPIs and entities; see `TuningConfig`.
    aside : dict of str to array of bool
        Rows of history that tuning has put aside; not saved.
    spans : dict of str to TimeWindow
        From the first to the last row of each entity's history.
    marks : tuple of Mark
        What tuning has learned from.
    ancestor : AnoTuner or None
        What a tuned detector was tuned from; not saved.
    losses : list of float
        Mean training loss of each epoch.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(300, 2))
    >>> rows[290] += 9.0
    >>> cells = [KpiFrame("cell-1", ("drops", "load"), 0, 3600, rows)]
    >>> detector = AnoTuner(AnoTunerConfig(epochs=2)).fit([cells[0][:200]])
    >>> score, = detector.score(cells)
    >>> int(np.argmax(score.total))
    290
    >>> max(detector.alarms([score]), key=lambda alarm: alarm.peak).window.start_s // 3600
    290
    """

    name = "anotuner"

    def __init__(
        self,
        config: AnoTunerConfig | None = None,
        *,
        checkpoint: Path | str | None = None,
        device: str = "cpu",
    ) -> None:
        self.config = config or AnoTunerConfig()
        self.device = device
        self.checkpoint = Path(checkpoint) if checkpoint else None
        self.levels: dict[str, float] = {}
        self.usual: dict[str, NDArray[np.float64]] = {}
        self.head: ResidualHead | None = None
        self.patterns: PatternHead | None = None
        self.losses: list[float] = []
        self.aside: dict[str, NDArray[np.bool_]] = {}
        self.spans: dict[str, TimeWindow] = {}
        self.marks: tuple[Mark, ...] = ()
        self.ancestor: AnoTuner | None = None
        self._kept: KeptDeviations | None = None

    @property
    def device(self) -> str:
        """Where the network runs.

        Raises
        ------
        SettingError
            When it is set to one that is not there.
        """
        return self._device

    @device.setter
    def device(self, name: str) -> None:
        self._device = checked_device(name)

    def _fit(self, frames: Sequence[KpiFrame], progress: Progress) -> None:
        config = self.config
        self.scaling = Scaling.fit(frames)
        scaled = [self.scaling.apply(frame) for frame in frames]
        self.condition: Condition = CONDITIONS.load(config.condition)().fit(scaled)
        bank = self._bank(scaled)
        shape = NetworkShape(
            len(self.kpis),
            bank.conditions.shape[1],
            config.n_filters,
            config.n_hidden,
            config.n_latent,
        )
        self.network: Network
        self.network, self.losses = train(
            config.form, bank, config.training, shape,
            checkpoint=self.checkpoint, device=self.device, progress=progress,
        )  # fmt: skip
        self.spans = {frame.entity: frame.window for frame in frames}
        self.head = self.patterns = None
        self.aside = {}
        self.marks, self.ancestor = (), None
        self._learn_usual(frames)

    def _learn_usual(
        self, frames: Sequence[KpiFrame], weights: Mapping[str, NDArray[np.float64]] | None = None
    ) -> None:
        """Learn each entity's usual errors from its rows, weighted if told, and its level."""
        found = dict(self._deviations(frames))
        means = {
            entity: _column_means(
                np.square(deviations), None if weights is None else weights[entity]
            )
            for entity, deviations in found.items()
        }
        fleet = _column_means(np.stack(list(means.values())))
        fleet = np.where(np.isfinite(fleet), fleet, 1.0)
        self.usual = {
            entity: np.where(np.isfinite(mean), mean, fleet) + _LEAST_ERROR
            for entity, mean in means.items()
        }
        self.usual_elsewhere = fleet + _LEAST_ERROR
        scores = [self._scored(frame, found[frame.entity]) for frame in frames]
        self.levels = THRESHOLDS.load(self.config.threshold)().levels(scores)

    def _score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        by_entity = {frame.entity: frame for frame in frames}
        return [self._scored(by_entity[entity], d) for entity, d in self._deviations(frames)]

    def _scored(self, frame: KpiFrame, deviations: NDArray[np.float32]) -> Score:
        """Return the score of a frame as what was learned from marks sees it."""
        plain = self._plain(frame, deviations)
        score = plain if self.head is None else self.head.apply(plain)
        return score if self.patterns is None else self.patterns.apply(score, plain.deviations)

    def _plain(self, frame: KpiFrame, deviations: NDArray[np.float32]) -> Score:
        squares = np.square(deviations) / self._usual_of(frame.entity)
        share = self.config.baseline_share
        mixed = (1.0 - share) * squares[:, 0] + share * squares[:, 1] if share else squares[:, 0]
        residuals = remember(mixed.astype(np.float32), self.config.memory)
        return Score(
            frame.entity, frame.start_s, frame.interval_s, self.kpis,
            aggregate(residuals, largest=self.config.largest), residuals, deviations[:, 0] < 0,
        )  # fmt: skip

    def _usual_of(self, entity: str) -> NDArray[np.float64]:
        return self.usual.get(entity, self.usual_elsewhere)

    def _unit_of_error(self, entity: str) -> NDArray[np.float64]:
        """Return what a row's squared error of reconstruction is divided by in its score."""
        unit: NDArray[np.float64] = self._usual_of(entity)[0] / (1.0 - self.config.baseline_share)
        return unit

    def _apart_from_network(self, frame: KpiFrame) -> NDArray[np.float64]:
        """Return what each row alone would score if it were reconstructed without error."""
        share = self.config.baseline_share
        if not share:
            return np.zeros(len(frame))
        scaled = self.scaling.apply(frame)
        squares = np.square(scaled.values - self.condition.baseline(scaled))
        return np.nan_to_num(aggregate(share * squares / self._usual_of(frame.entity)[1]))

    def _deviations(self, frames: Sequence[KpiFrame]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield what each entity's rows differ by in scaled units, of shape (time, part, kpi).

        The parts are those of `usual`.
        """
        if self._kept is None:
            return self._computed(frames)
        decides = (self.network, self.scaling, self.condition, *frames)
        return iter(self._kept.get(decides, lambda: list(self._computed(frames))))

    def _computed(self, frames: Sequence[KpiFrame]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield deviations, a shard of the fleet at a time."""
        for shard in _shards(frames, self.condition.n_channels):
            scaled = [self.scaling.apply(frame) for frame in shard]
            found = deviations(
                self.network, self._bank(scaled), window=self.config.window, device=self.device
            )
            for frame, left_over in zip(scaled, found, strict=True):
                parts = [left_over]
                if self.config.baseline_share:
                    parts.append(frame.values - self.condition.baseline(frame))
                yield frame.entity, np.stack(parts, axis=1)

    def _bank(self, scaled: Sequence[KpiFrame]) -> RowBank:
        conditions = [self.condition.compute(frame) for frame in scaled]
        return RowBank.build(scaled, conditions, padding=self.config.window - 1)

    def tune(
        self,
        frames: Sequence[KpiFrame],
        marks: Sequence[Mark],
        config: TuningConfig | None = None,
        *,
        ask: Callable[[Query], bool | None] | None = None,
        progress: Progress = silent,
    ) -> tuple[AnoTuner, TuningReport]:
        """Return a tuned copy, and what was done and why; the detector itself stays as it is.

        Tuning a tuned detector starts again from what it was tuned from, with its marks and the
        new ones together, so that nothing learned is lost or learned twice.

        Parameters
        ----------
        frames : sequence of KpiFrame
            The history trained on, and the rows that the marks speak of.
        marks : sequence of Mark
            What operators said. Marks of unknown entities or outside the frames are counted in
            the report and left out; where marks contradict each other, the span counts as
            ``ignore``.
        config : TuningConfig, optional
            Which layers, and how; ``TuningConfig.paper()`` is the paper's way.
        ask : callable, optional
            Asked whether the typical window of a cluster of history is an anomaly (two-stage
            active learning); where it answers None, or none is given, history counts as normal.
        progress : callable
            Told in a short line what happens.

        Raises
        ------
        InputError
            If the detector is not fitted, the frames do not fit it or hold none of its history,
            or it is tuned and was loaded without its ancestor.
        """
        self._refuse_without(self.ancestor)
        untuned = self.ancestor or self
        frames = untuned._fitting(frames)
        together = sorted({*self.marks, *marks})
        tuned, report = tune(
            untuned, frames, together, config or TuningConfig(), ask=ask, progress=progress
        )
        tuned.marks, tuned.ancestor = tuple(together), untuned
        return tuned, report

    def save(self, folder: Path | str, **card: Any) -> Path:
        """Write the model as a folder of safetensors and JSON; see `load`."""
        from faultsight.detect.anotuner._folder import save_model

        return save_model(self, Path(folder), card)

    @classmethod
    def load(cls, folder: Path | str) -> AnoTuner:
        """Read a model that `save` wrote.

        Raises
        ------
        InputError
            If a file is missing, damaged or of another kind; names the file.
        """
        from faultsight.detect.anotuner._folder import load_model

        return load_model(Path(folder))


def _column_means(
    table: NDArray[Any], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the means over rows of what is known, rows weighted if told; NaN where nothing is."""
    known = np.isfinite(table).astype(np.float64)
    if weights is not None:
        known *= np.expand_dims(weights, tuple(range(1, table.ndim)))
    sums = (np.nan_to_num(table).astype(np.float64) * known).sum(axis=0)
    counts = known.sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1e-12), np.nan)


def _shards(frames: Sequence[KpiFrame], n_channels: int) -> Iterator[list[KpiFrame]]:
    """Yield runs of frames that fit into memory together with their conditions."""
    shard: list[KpiFrame] = []
    cells = 0
    for frame in frames:
        shard.append(frame)
        cells += frame.values.size * (2 + n_channels)
        if cells >= _CELLS_A_SHARD:
            yield shard
            shard, cells = [], 0
    if shard:
        yield shard
