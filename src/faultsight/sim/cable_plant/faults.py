"""What goes wrong in a fiber node, where, when, and what it does to signals and polls.

What sits in the shared plant is maintenance, what sits at one customer is service. A splitter that
a customer adds is neither: it costs power for good and nobody has to come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.courses import Course, cold, daily, steady, telegraph, wet
from faultsight.sim.cable_plant.topology import NodeTopology, amplifier_name, tap_name
from faultsight.sim.cable_plant.weather import HOUR_S, Weather

__all__ = [
    "FAULT_TYPES",
    "Effect",
    "PlantFault",
    "draw_effect",
    "draw_place",
    "node_faults",
    "numbered",
]

MISSING = "missing"
"""What a fault touches that keeps polls from being answered."""

FAULT_TYPES: dict[str, tuple[str, ...]] = {
    "attenuation": ("tx_power_dbmv", "snr_db"),
    "ingress": ("snr_db",),
    "segment_distortion": ("snr_db",),
    "outage": (MISSING,),
    "suck_out": ("tx_power_dbmv", "snr_db"),
    "amplifier_gain_loss": ("tx_power_dbmv", "rx_power_dbmv", "snr_db", MISSING),
    "hardline_water": ("tx_power_dbmv", "snr_db"),
    "television": ("snr_db",),
    "tap_corrosion": ("tx_power_dbmv", "snr_db"),
    "loose_drop": ("tx_power_dbmv", "snr_db", MISSING),
    "dead_modem": (MISSING,),
    "drop_water": ("tx_power_dbmv", "snr_db"),
    "splitter": ("tx_power_dbmv",),
}
"""The metrics that each type touches; a modem without power left touches more."""

_WHOLE_NODE = ("ingress", "television")
_SERVICE = ("loose_drop", "dead_modem", "drop_water")
_OF_RAIN = ("hardline_water", "drop_water")
_OF_COLD = ("attenuation", "loose_drop")


@dataclass(frozen=True, eq=False)
class Effect:
    """What a fault does at its greatest.

    Attributes
    ----------
    loss_db, snr_loss_db : array of shape (channel,)
        Loss on the way to the CMTS, and loss of SNR.
    poll_loss : float
        Share of polls lost while it is active.
    """

    loss_db: NDArray[np.float32]
    snr_loss_db: NDArray[np.float32]
    poll_loss: float = 0.0


@dataclass(frozen=True, eq=False)
class PlantFault:
    """One fault, or one change that is none.

    Attributes
    ----------
    fault_id : str
        Unique in the plant.
    kind : str
        ``maintenance``, ``service`` or ``benign``.
    type, pattern : str
        One of `FAULT_TYPES`, and its course in time: ``telegraph``, ``daily``, ``rain``,
        ``temperature`` or ``steady``.
    element_kind, element : str
        ``fiber node``, ``amplifier``, ``tap``, ``drop`` or ``modem``, and its name.
    members : array of shape (affected,)
        Places of the affected modems.
    start_s, end_s : int
        From its beginning to its repair, which may come after the last day.
    course : Course
        How strongly it acts, up to the last day.
    effect : Effect
        What it does.
    """

    fault_id: str
    kind: str
    type: str
    pattern: str
    element_kind: str
    element: str
    members: NDArray[np.int64]
    start_s: int
    end_s: int
    course: Course
    effect: Effect


def node_faults(
    config: CablePlantConfig, tree: NodeTopology, sky: Weather, *, seed: int = 0
) -> list[PlantFault]:
    """Return what happens in a fiber node, in order of its beginning.

    Parameters
    ----------
    config : CablePlantConfig
        Rates, types and effects.
    tree : NodeTopology
        The fiber node.
    sky : Weather
        What rain and cold drive.
    seed : int
        Of the plant.

    Examples
    --------
    >>> from faultsight.sim.cable_plant.topology import node_topology
    >>> from faultsight.sim.cable_plant.weather import weather
    >>> config = CablePlantConfig(days=90)
    >>> faults = node_faults(config, node_topology(config, 0), weather(config))
    >>> sorted({fault.kind for fault in faults}), faults[0].start_s <= faults[1].start_s
    (['benign', 'maintenance', 'service'], True)
    """
    faults: list[PlantFault] = []
    maintenance, service = config.maintenance_rate, config.service_rate
    for kind, per_day, mix, median_h in (
        ("maintenance", maintenance * config.maintenance_per_day,
         config.maintenance_mix, config.maintenance_median_h),
        ("maintenance", maintenance * config.televisions_per_day,
         {"television": 1.0}, config.television_median_h),
        ("maintenance", maintenance * config.tap_faults_per_day,
         {"tap_corrosion": 1.0}, config.maintenance_median_h),
        ("service", service * config.service_per_day, config.service_mix,
         config.service_median_h),
        ("benign", config.benign_rate * config.splitters_per_day, {"splitter": 1.0}, np.inf),
    ):  # fmt: skip
        stream = random_stream(seed, "cable", tree.fnode, "faults", kind, *mix)
        # A stream of its own: which faults are steady changes nothing else about any.
        steps = random_stream(seed, "cable", tree.fnode, "steady faults", kind, *mix)
        names, shares = list(mix), np.array(list(mix.values()))
        count = int(stream.poisson(per_day * config.days))
        for start_s in np.sort(stream.integers(config.start_s, config.end_s, count)).tolist():
            name = names[int(stream.choice(len(names), p=shares / shares.sum()))]
            end_s = config.end_s
            if np.isfinite(median_h):
                length_h = stream.lognormal(np.log(median_h), config.duration_sigma)
                end_s = start_s + max(round(length_h * HOUR_S), 60)
            element_kind, element, members = draw_place(config, tree, name, stream)
            pattern, course = _course(config, name, start_s, end_s, sky, stream)
            chance, amplitude = steps.random(), steps.uniform(*config.dwell_amplitude)
            if pattern == "telegraph" and chance < config.steady_share:
                pattern, course = "steady", steady(start_s, min(end_s, config.end_s), amplitude)
            effect = draw_effect(config, name, stream)
            faults.append(PlantFault(
                "", kind, name, pattern, element_kind, element, members, start_s, end_s, course,
                effect,
            ))  # fmt: skip
    return numbered(tree.fnode, faults)


def numbered(fnode: str, faults: list[PlantFault]) -> list[PlantFault]:
    """Return faults in order of their beginning, each with a name that is unique in the plant."""
    ordered = sorted(faults, key=lambda fault: (fault.start_s, fault.kind, fault.element))
    return [
        PlantFault(**{**vars(fault), "fault_id": f"{fnode}-F{number:04d}"})
        for number, fault in enumerate(ordered, start=1)
    ]


def draw_place(
    config: CablePlantConfig, tree: NodeTopology, name: str, stream: np.random.Generator
) -> tuple[str, str, NDArray[np.int64]]:
    """Draw where a fault of a type sits: kind and name of the element, and whom it affects."""
    if name in _WHOLE_NODE:
        return "fiber node", tree.fnode, np.arange(tree.n_devices)
    if name in (*_SERVICE, "splitter"):
        device = int(stream.integers(tree.n_devices))
        element_kind = "modem" if name == "dead_modem" else "drop"
        return element_kind, tree.device_ids[device], np.array([device])
    if name == "tap_corrosion":
        return _tap(tree, stream)
    least, most = config.fault_modems
    size = tree.below.sum(axis=1)
    fits = np.flatnonzero((size >= least) & (size <= most))
    if not len(fits):  # in a tiny node the amplifier that comes nearest
        fits = np.argsort(np.maximum(least - size, size - most), kind="stable")[:1]
    amplifier = int(stream.choice(fits))
    return "amplifier", amplifier_name(amplifier), np.flatnonzero(tree.below[amplifier])


def _tap(tree: NodeTopology, stream: np.random.Generator) -> tuple[str, str, NDArray[np.int64]]:
    """Draw a tap, of those with two modems if there are any: with one it looks like a drop."""
    places = np.stack([tree.amplifier_of_device, tree.tap_of_device])
    taps, tap_of_device, counts = np.unique(places, axis=1, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(counts >= 2)
    tap = int(stream.choice(shared if len(shared) else np.arange(len(counts))))
    return "tap", tap_name(*taps[:, tap].tolist()), np.flatnonzero(tap_of_device.ravel() == tap)


def draw_effect(config: CablePlantConfig, name: str, stream: np.random.Generator) -> Effect:
    """Draw what a fault of a type does at its greatest."""
    every, nothing = np.ones(config.n_channels, np.float32), np.zeros(config.n_channels, np.float32)

    def of(span: tuple[float, float]) -> np.float32:
        return np.float32(stream.uniform(*span))

    match name:
        case "attenuation" | "hardline_water" | "tap_corrosion":
            return Effect(every * of(config.attenuation_db), every * of(config.attenuation_snr_db))
        case "suck_out":
            one = nothing.copy()
            one[stream.integers(config.n_channels)] = 1.0
            return Effect(one * of(config.attenuation_db), one * of(config.attenuation_snr_db))
        case "ingress" | "television":
            felt = config.ingress_channels
            shares = [of(felt[min(c, len(felt) - 1)]) for c in range(config.n_channels)]
            lost_db = of(config.ingress_snr_db) * np.array(shares, np.float32)
            return Effect(np.float32(config.ingress_tx_rise_share) * lost_db, lost_db)
        case "segment_distortion":
            return Effect(nothing, every * of(config.segment_snr_db))
        case "amplifier_gain_loss":
            return Effect(every * of(config.gain_loss_db), nothing)
        case "loose_drop":
            loss_db, snr_db = of(config.drop_db), of(config.drop_snr_db)
            return Effect(every * loss_db, every * snr_db, config.drop_poll_loss)
        case "drop_water":
            return Effect(every * of(config.drop_water_db), every * of(config.drop_water_snr_db))
        case "splitter":
            return Effect(every * np.float32(stream.choice(config.splitter_db)), nothing)
        case _:  # outage, dead_modem
            return Effect(nothing, nothing, 1.0)


def _course(
    config: CablePlantConfig,
    name: str,
    start_s: int,
    end_s: int,
    sky: Weather,
    stream: np.random.Generator,
) -> tuple[str, Course]:
    """Draw how a fault of a type acts over time, up to its end or the last day."""
    end_s = min(end_s, config.end_s)
    chance = stream.random()
    if name == "splitter" or (name == "dead_modem" and chance < config.dead_for_good_share):
        return "steady", steady(start_s, end_s)
    if name == "television":
        return "daily", daily(config, start_s, end_s, stream)
    if name in _OF_RAIN:
        return "rain", wet(config, start_s, end_s, sky)
    if name in _OF_COLD and chance < config.temperature_driven_share:
        return "temperature", cold(start_s, end_s, sky)
    return "telegraph", telegraph(config, start_s, end_s, stream)
