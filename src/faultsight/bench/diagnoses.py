"""Diagnosers, each fitted to the first days of the same plants and run on the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from faultsight.bench.engine import Context
from faultsight.bench.simulated_plants import SEEDS, SimulatedPlant, simulated_plant
from faultsight.diagnose import DIAGNOSERS, Diagnoser, Diagnosis
from faultsight.diagnose.peers.random_verdict import RandomVerdict, RandomVerdictConfig
from faultsight.diagnose.telapart import TelApart, TelApartConfig
from faultsight.sim.cable_plant import CablePlantConfig

__all__ = [
    "RANDOM",
    "Diagnosed",
    "Diagnosers",
    "MakeDiagnoser",
    "diagnoses",
    "every_diagnoser",
    "n_seeds",
]

RANDOM = "random_verdict"

MakeDiagnoser = Callable[[int], Diagnoser]
"""From a seed to a diagnoser that has not learned yet."""
Diagnosers = Mapping[str, MakeDiagnoser]


@dataclass(frozen=True, eq=False)
class Diagnosed:
    """What one method says of one plant's test days.

    Attributes
    ----------
    method : str
        Which.
    plant : SimulatedPlant
        Of what.
    diagnosis : Diagnosis
        In daily windows.
    seconds_fit, seconds_diagnose : float
        How long it took.
    """

    method: str
    plant: SimulatedPlant
    diagnosis: Diagnosis
    seconds_fit: float
    seconds_diagnose: float


def every_diagnoser() -> dict[str, MakeDiagnoser]:
    """Return TelApart, the paper's mode, and every other diagnoser, all with their defaults.

    Examples
    --------
    >>> list(every_diagnoser())[:2]
    ['telapart', 'telapart-paper']
    """
    made: dict[str, MakeDiagnoser] = {
        "telapart": lambda _seed: TelApart(),
        "telapart-paper": lambda _seed: TelApart(TelApartConfig.paper()),
    }
    for name in DIAGNOSERS.names():
        made.setdefault(name, _by_default(name))
    made[RANDOM] = lambda seed: RandomVerdict(config=RandomVerdictConfig(seed=seed))
    return made


def _by_default(name: str) -> MakeDiagnoser:
    return lambda _seed: DIAGNOSERS.load(name)()


def n_seeds(context: Context, most: int = SEEDS) -> int:
    """Return how many plants a run was asked for, at most so many."""
    return most if context.cases is None else min(context.cases, most)


def diagnoses(
    context: Context,
    dataset: str,
    config: CablePlantConfig,
    diagnosers: Diagnosers,
    *,
    seeds: int = SEEDS,
) -> Iterator[Diagnosed]:
    """Yield what each method says of each plant, plant by plant.

    Parameters
    ----------
    context : Context
        Plants are those of its seed and the following; a method that has spent its ``seconds``
        gets no further plant.
    dataset : str
        The name of the plants, for progress.
    config : CablePlantConfig
        The plants.
    diagnosers : Diagnosers
        By method.
    seeds : int
        Plants, if fewer are not asked for.
    """
    spent = dict.fromkeys(diagnosers, 0.0)
    count = n_seeds(context, seeds)
    for number in range(count):
        running = [method for method in diagnosers if spent[method] < context.seconds]
        if not running:
            return
        seed = context.seed + number
        context.progress(f"{dataset}: plant {number + 1} of {count} is made, seed {seed}")
        plant = simulated_plant(config, seed=seed)
        for method in running:
            diagnoser = diagnosers[method](seed)
            begin = time.perf_counter()
            diagnoser.fit(plant.telemetry, plant.tickets, window=plant.train)
            fitted = time.perf_counter()
            diagnosis = diagnoser.diagnose(plant.telemetry, window=plant.test)
            done = time.perf_counter()
            spent[method] += done - begin
            context.progress(f"{dataset}, seed {seed}: {method}, {done - begin:.1f} s")
            yield Diagnosed(method, plant, diagnosis, fitted - begin, done - fitted)
