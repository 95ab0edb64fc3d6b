"""detect/speed: seconds and memory of AnoTuner, in both forms and as it is plainly written."""

from __future__ import annotations

import copy
import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.peak_memory import PeakMemory, memory_note
from faultsight.core.errors import UnknownMemberError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Score
from faultsight.detect.scaling import Scaling
from faultsight.sim.base_stations import StationsConfig, simulate_stations

if TYPE_CHECKING:
    from faultsight.detect.anotuner import AnoTuner

# What needs torch is imported where it is used: scenarios are listed without it, too.
_METHODS = ("anotuner", "anotuner-sliding", "plain")
_STATIONS = 200
_TIMES_AS_MANY = (1, 2, 4)
_TICK_STATIONS = 100_000
_WINDOW = 24
"""The paper's; of the sliding form and of the plain one."""
_REPEATS = 3
_TICKS = 5


class DetectSpeed(Scenario):
    """Simulated base stations of 25 KPIs: scoring a week, one tick of a large fleet, training.

    Rows are of four parts. ``score``: a week of hourly rows of 200 stations from raw values to
    totals, the condition included; ``speedup`` is over the plain way. The plain way and the
    sliding form have the same network and weights. ``growth``: the same for two and four times as
    many stations. ``tick``: one more row of 100,000 stations, each with its own medians and
    levels. ``training``: the default configuration on a week of 200 stations.

    Where torch sees a GPU, all but the plain way is run once more with the network there
    (``device`` is ``cuda``): ``speedup`` is over the plain way on this machine's processor,
    ``apart_from_cpu`` the largest relative difference of a total, ``gpu_memory_mb`` the largest
    memory that torch held there, workspaces of its threads included.

    ``cases`` lowers every number of stations to so many. ``seconds`` ends repeats, and training
    after the epoch that goes beyond it.
    """

    id: ClassVar[str] = "detect/speed"
    title: ClassVar[str] = "Seconds and memory of AnoTuner: scoring, one tick, training"
    shown: ClassVar[tuple[str, ...]] = (
        "part", "method", "device", "stations", "points", "seconds", "speedup",
        "microseconds_per_point", "memory_mb", "added_mb",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Time every method asked for."""
        from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig

        for method in context.methods:
            if method not in _METHODS:
                raise UnknownMemberError("method", method, _METHODS)
        n = min(_STATIONS, context.cases or _STATIONS)
        fleet = simulate_stations(
            StationsConfig(n_stations=n * max(_TIMES_AS_MANY)), seed=context.seed
        )
        train = fleet.train[:n]
        models = {
            "anotuner": AnoTuner(AnoTunerConfig(epochs=1, seed=context.seed)).fit(train),
            "anotuner-sliding": AnoTuner(
                AnoTunerConfig(form="sliding", window=_WINDOW, epochs=1, seed=context.seed)
            ).fit(train),
        }
        notes = [
            "the best of a few repeats after one that is not counted; of ticks, the best of "
            f"{_TICKS}, and seconds_median is their median",
            "weights are of one epoch of training, which changes no time",
            memory_note(),
        ]
        n_ticking = min(_TICK_STATIONS, context.cases or _TICK_STATIONS)
        rows: list[Row] = []
        plain: Row | None = None
        for device in _devices(notes):
            wanted = {
                method: _on(model, device)
                for method, model in models.items()
                if context.wants(method)
            }
            rows += [
                _told(_tick_row(method, model, fleet.test[:n], n_ticking), context)
                for method, model in wanted.items()
            ]
            scored = [
                _told(_score_row("score", method, model, fleet.test[:n], context), context)
                for method, model in wanted.items()
            ]
            rows += scored
            if device == "cpu" and context.wants("plain"):
                plain = self._plain(models["anotuner-sliding"], fleet.test[:n], context, notes)
                rows += [] if plain is None else [plain]
            if plain is not None:
                for row in scored:
                    row["speedup"] = float(plain["seconds"] or 0) / float(row["seconds"] or 1)
            for times in _TIMES_AS_MANY:
                rows += [
                    _told(
                        _score_row("growth", method, model, fleet.test[: n * times], context),
                        context,
                    )
                    for method, model in wanted.items()
                ]
            if context.wants("anotuner"):
                rows.append(_told(_training_row(train, device, context, notes), context))
        return Outcome(rows, notes)

    def _plain(
        self, model: AnoTuner, frames: Sequence[KpiFrame], context: Context, notes: list[str]
    ) -> Row | None:
        if importlib.util.find_spec("statsmodels") is None:
            notes.append("left out: plain needs statsmodels; install faultsight[forecast]")
            return None
        notes.append(
            f"plain scores no row before the end of the first window of {_WINDOW}, and "
            "has the better of one thread and one for each core in torch"
        )
        return _told(_plain_row(model, frames, context), context)


def _score_row(
    part: str, method: str, model: AnoTuner, frames: Sequence[KpiFrame], context: Context
) -> Row:
    seconds = _best_seconds(lambda: model.score(frames), context.seconds)
    points = sum(len(frame) for frame in frames)
    memory = _Memory(model.device)
    scores = model.score(frames)
    return {
        "part": part,
        "method": method,
        "device": model.device,
        "stations": len(frames),
        "points": points,
        "kpis": len(model.kpis),
        "window": model.config.window,
        "seconds": seconds,
        "microseconds_per_point": seconds / points * 1e6,
        **memory.since(),
        **_apart_from_cpu(model, frames, scores),
    }


def _plain_row(model: AnoTuner, frames: Sequence[KpiFrame], context: Context) -> Row:
    import torch

    from faultsight.bench.plain_anotuner import plain_scores

    plain_scores(model, frames[:1])
    memory = _Memory("cpu")
    runs = []
    threads = torch.get_num_threads()
    for n_threads in dict.fromkeys((1, os.cpu_count() or 1)):
        torch.set_num_threads(n_threads)
        try:
            runs.append(plain_scores(model, frames))
        finally:
            torch.set_num_threads(threads)
        if runs[-1].condition_seconds + runs[-1].network_seconds > context.seconds:
            break
    best = min(runs, key=lambda run: run.condition_seconds + run.network_seconds)
    seconds = best.condition_seconds + best.network_seconds
    points = sum(len(frame) for frame in frames)
    return {
        "part": "score",
        "method": "plain",
        "device": "cpu",
        "stations": len(frames),
        "points": points,
        "kpis": len(model.kpis),
        "window": model.config.window,
        "seconds": seconds,
        "speedup": 1.0,
        "microseconds_per_point": seconds / points * 1e6,
        "condition_seconds": best.condition_seconds,
        "network_seconds": best.network_seconds,
        **memory.since(),
    }


def _tick_row(method: str, model: AnoTuner, frames: Sequence[KpiFrame], n_stations: int) -> Row:
    from faultsight.detect.anotuner.stream import AnoTunerStream

    memory = _Memory(model.device)
    entities = [f"station-{i}" for i in range(n_stations)]
    start = time.perf_counter()
    stream = AnoTunerStream(_of_more(model, entities), entities)
    start_seconds = time.perf_counter() - start
    week = np.stack([frame.values for frame in frames], axis=1)
    of = np.arange(n_stations) % len(frames)
    seconds = []
    for row in range(_TICKS + 1):
        values = week[row][of]
        start = time.perf_counter()
        stream.advance(frames[0].start_s + row * frames[0].interval_s, values)
        seconds.append(time.perf_counter() - start)
    best = min(seconds[1:])
    return {
        "part": "tick",
        "method": method,
        "device": model.device,
        "stations": n_stations,
        "points": n_stations,
        "kpis": len(model.kpis),
        "window": model.config.window,
        "seconds": best,
        "seconds_median": float(np.median(seconds[1:])),
        "microseconds_per_point": best / n_stations * 1e6,
        "start_seconds": start_seconds,
        **memory.since(),
    }


def _training_row(
    frames: Sequence[KpiFrame], device: str, context: Context, notes: list[str]
) -> Row:
    from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig

    config = AnoTunerConfig(seed=context.seed)
    model = AnoTuner(config, device=device)
    if device != "cpu":  # There all has been trained once by now.
        AnoTuner(AnoTunerConfig(epochs=1), device=device).fit(frames[:1])
    start = time.perf_counter()
    epochs, loss = 0, float("nan")

    def watch(line: str) -> None:
        nonlocal epochs, loss
        if line.startswith("epoch"):
            epochs += 1
            loss = float(line.rpartition(" ")[2])
        if time.perf_counter() - start > context.seconds:
            raise _OutOfTimeError

    memory = _Memory(device)
    try:
        model.fit(frames, progress=watch)
    except _OutOfTimeError:
        notes.append(
            f"training ({device}) was ended after {epochs} of {config.epochs} epochs, beyond "
            f"{context.seconds:g} s"
        )
    seconds = time.perf_counter() - start
    points = sum(len(frame) for frame in frames)
    return {
        "part": "training",
        "method": "anotuner",
        "device": device,
        "stations": len(frames),
        "points": points,
        "kpis": len(frames[0].kpis),
        "window": config.window,
        "seconds": seconds,
        "microseconds_per_point": seconds / points * 1e6,
        "epochs": epochs,
        "loss": loss,
        **memory.since(),
    }


class _OutOfTimeError(Exception):
    pass


def _devices(notes: list[str]) -> list[str]:
    """Return where networks can run here, and note which GPU it is."""
    import torch

    if not torch.cuda.is_available():
        return ["cpu"]
    notes.append(
        f"device cuda: {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, float32 without "
        "TF32; scores and ticks are back in this process, and training has ended there, before "
        "the clock is read"
    )
    return ["cpu", "cuda"]


def _on(model: AnoTuner, device: str) -> AnoTuner:
    there = copy.copy(model)
    there.device = device
    return there


def _apart_from_cpu(model: AnoTuner, frames: Sequence[KpiFrame], scores: Sequence[Score]) -> Row:
    """Return the largest relative difference of a GPU's totals."""
    if model.device == "cpu":
        return {}
    here = {score.entity: score.total for score in _on(model, "cpu").score(frames)}
    apart = [np.abs(score.total / here[score.entity] - 1.0) for score in scores]
    return {"apart_from_cpu": float(np.nanmax(np.concatenate(apart)))}


class _Memory:
    """The largest memory of this process since now and, if a GPU is in use, of that."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._process = PeakMemory()
        if device != "cpu":
            import torch

            torch.cuda.reset_peak_memory_stats()

    def since(self) -> Row:
        row = self._process.since()
        if self._device != "cpu":
            import torch

            row["gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 1e6
        return row


def _of_more(model: AnoTuner, entities: Sequence[str]) -> AnoTuner:
    """Return the model as if it had been fitted on these, the known ones over and over."""
    from faultsight.detect.anotuner.conditions.profile import Profile

    known = list(model.usual)
    like = {entity: known[place % len(known)] for place, entity in enumerate(entities)}
    more = copy.copy(model)
    more.usual = {entity: model.usual[of].copy() for entity, of in like.items()}
    more.levels = {entity: model.levels[of] for entity, of in like.items()}
    more.scaling = Scaling(
        {entity: model.scaling.low[of].copy() for entity, of in like.items()},
        {entity: model.scaling.span[of].copy() for entity, of in like.items()},
    )
    condition = model.condition
    if isinstance(condition, Profile):
        profile = Profile()
        profile.entities = list(entities)
        places = [condition.place(of) for of in like.values()]
        profile.medians = condition.medians[[*places, len(condition.entities)]]
        more.condition = profile
    return more


def _best_seconds(work: Callable[[], object], limit: float) -> float:
    """Return the least time of a few runs after a first one that is not counted."""
    begun = time.perf_counter()
    work()
    seconds: list[float] = []
    while not seconds or (len(seconds) < _REPEATS and time.perf_counter() - begun < limit):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _told(row: Row, context: Context) -> Row:
    context.progress(
        f"{row['part']}, {row['stations']} stations, {row['method']}: {row['seconds']:.3f} s"
    )
    return row
