"""Every number of the cable plant, with its unit and why it is so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from faultsight.core.errors import SettingError

__all__ = ["CablePlantConfig"]

Range = tuple[float, float]

_AT_LEAST_ONE = (
    "n_fnodes", "days", "n_amplifiers", "most_branches", "most_in_cascade", "homes_per_tap",
    "interval_s", "round_s", "n_channels",
)  # fmt: skip
_SHARES = ("_share", "_right", "_poll_loss")
_NOT_NEGATIVE = ("_rate", "_per_day", "_noise_db", "first_round_s", "_jitter_s", "_within_s")
_POSITIVE = ("_h", "_sigma", "_step_db", "_evenness")
_RANGES = (
    "modems", "fault_modems", "tx_power_range_dbmv", "dwell_amplitude", "attenuation_db",
    "attenuation_snr_db", "ingress_snr_db", "segment_snr_db", "gain_loss_db", "drop_db",
    "drop_snr_db", "drop_water_db", "drop_water_snr_db", "television_h", "reflection_db",
    "reflection_taps",
)  # fmt: skip


def _maintenance_mix() -> dict[str, float]:
    return {
        "attenuation": 0.2,
        "ingress": 0.2,
        "segment_distortion": 0.2,
        "outage": 0.2,
        "suck_out": 0.07,
        "amplifier_gain_loss": 0.07,
        "hardline_water": 0.06,
    }


def _service_mix() -> dict[str, float]:
    return {"loose_drop": 0.55, "dead_modem": 0.25, "drop_water": 0.2}


@dataclass(frozen=True)
class CablePlantConfig:
    """How large the plant is, how it is polled, what goes wrong, and who calls.

    The default rates are stress rates: so many faults that a few weeks of a few fiber nodes hold
    enough of them. `realistic` has a tenth. A range is (least, most), drawn uniformly.

    Attributes
    ----------
    n_fnodes, days, start_s : int
        Fiber nodes, length, and first second (UTC; by default Monday 2026-01-05).
    modems : (int, int)
        Modems of a fiber node; 250 on average, as in the paper's network.
    n_amplifiers, most_branches, most_in_cascade : int
        Amplifiers of a fiber node, how many hang on one (or on the node), and how many lie in a
        row at most (N+5).
    amplifier_evenness : float
        Parameter of the Dirichlet distribution by which modems are shared among amplifiers.
    homes_per_tap : int
        Modems on a tap at most.
    interval_s, round_s, first_round_s : int
        From round to round; how long a round takes (it asks the modems in random order); and when
        the first one starts, so that midnight lies between two rounds.
    round_jitter_s : float
        Standard deviation of a round's start, cut at three times that.
    loss_share, round_lost_share, duplicate_share : float
        Polls lost on their own; rounds lost for a whole fiber node; polls told twice.
    duplicate_within_s : float
        A poll told twice is told again within this.
    with_round_ids, with_counters, with_pre_equalization : bool
        Whether polls bring the number of their round, codeword and timeout deltas, and once a day
        the equalizer's coefficients.
    n_channels : int
        Upstream channels. Per-channel settings are taken in order; their last repeats.
    tx_power_dbmv, tx_power_range_dbmv : (float, float)
        Mean and standard deviation of the modems' usual level on the first channel, and its limits.
    tilt_db : (float, float)
        Mean and standard deviation, over modems, of what each further channel needs more.
    tx_power_noise_db, tx_power_step_db : float
        Noise of a reading, and the step in which it is told and commanded.
    most_tx_power_dbmv : float
        Above this a modem cannot transmit (four bonded channels).
    dead_band_db : float
        The CMTS commands a new level only when it receives this much too much or too little.
    rx_power_noise_db : float
        Noise of the CMTS's reading of the received power.
    snr_db : (float, float)
        Mean and standard deviation over modems.
    channel_snr_db : tuple of float
        What a channel adds.
    floor_day_db, floor_wander_db, floor_memory_h : float
        The fiber node's noise floor swings daily by so much to either side (worst at 21 h UTC), and
        wanders (AR(1)) with this standard deviation and memory.
    floor_weights : tuple of float
        How strongly a channel feels the floor.
    snr_noise_db, snr_step_db : float
        Noise and step of a reading.
    cable_db, cable_db_per_amplifier : float
        Loss of coaxial cable between a modem and its fiber node, and what each amplifier adds: 10
        to 30 dB in all.
    cable_loss_per_c : float
        Share by which cable loss grows with each degree Celsius.
    mean_temperature_c, season_c, day_c, weather_c : float
        Of the year; half the swing of the year and of the day; standard deviation of the weather.
    rain_every_h, rain_h, drying_h : float
        Mean time between two starts of rain, mean length of one, and how fast wetness decays.
    maintenance_per_day, service_per_day : float
        Faults per fiber node and day, before the rates below.
    maintenance_rate, service_rate, benign_rate : float
        Multiply how often such faults, and changes that are none, come.
    maintenance_mix, service_mix : mapping of str to float
        Shares of the types.
    televisions_per_day, splitters_per_day : float
        Per fiber node: appliances that disturb at the same hour every day (beside the rate above),
        and customers who add a splitter (benign).
    tap_faults_per_day : float
        Per fiber node: corroded taps, beside the rate above; maintenance of `homes_per_tap` modems
        at most, which act as attenuation does.
    maintenance_median_h, service_median_h, television_median_h, duration_sigma : float
        Lognormal lengths: 80 % of maintenance within 84 h, of service within 186 h.
    mean_dwell_h : float
        A fault comes and goes: exponential dwells on and off with this mean.
    dwell_amplitude : (float, float)
        How strongly it acts in a dwell, relative to its greatest effect.
    steady_share : float
        Of the maintenance and service faults that would come and go: those that act all the time
        with one amplitude, as a permanent step.
    active_level : float
        From this share of its greatest effect on, a fault counts as active.
    fault_modems : (int, int)
        Modems below the amplifier at which a fault sits.
    attenuation_db, attenuation_snr_db : (float, float)
        Extra loss, and loss of SNR, of attenuation, suck-outs and water in hardline cable.
    ingress_snr_db : (float, float)
        Loss of SNR of the whole fiber node.
    ingress_channels : tuple of (float, float)
        What share of it a channel feels.
    ingress_tx_rise_share : float
        By what share of the lost SNR modems raise their power. Ranging does not do that by itself;
        it is the paper's account, and an option.
    segment_snr_db, gain_loss_db : (float, float)
        Loss of SNR of an in-line cause, and of gain of an amplifier.
    drop_db, drop_snr_db, drop_poll_loss : (float, float), (float, float), float
        Of a loose or corroded drop: extra loss, loss of SNR, and share of polls lost while active.
    drop_water_db, drop_water_snr_db : (float, float)
        Of water in a drop: extra loss and loss of SNR.
    water_ramp_h, dry_share : float
        Water gets in over this long, and acts with this share when everything is dry.
    temperature_driven_share : float
        Of attenuation and loose drops: those that open in the cold.
    dead_for_good_share : float
        Of dead modems; the others' power supply comes and goes.
    splitter_db : tuple of float
        Loss of a splitter into two and into four.
    television_h : (float, float)
        How long it disturbs each day.
    poll_loss_from_db, poll_loss_over_db : float
        A modem that lacks more power than this loses polls; so much further, all but a tenth.
    background_calls_per_day, background_service_share : float
        Calls per modem and day without a fault in the network, and how many become service tickets.
    maintenance_call_share, service_call_share : float
        Affected customers who would call.
    maintenance_call_delay_h, service_call_delay_h : float
        Mean of the exponential delay; who has not called when the fault ends does not call.
    maintenance_label_right, service_label_right : float
        Share of these tickets whose kind is right.
    repair_paperwork_h, background_ticket_h : float
        Mean time from a fault's end to the closing of its tickets; mean length of other tickets.
    reflection_share, reflection_days : float
        Modems behind a micro-reflection at any time, and its mean length.
    reflection_db : (float, float)
        Its level below the main tap.
    reflection_taps : (float, float)
        Its delay, in taps.
    wide_scale_share : float
        Modems whose coefficients are scaled to 32767 and not to 2047.

    Raises
    ------
    SettingError
        If a value cannot be.

    Examples
    --------
    >>> CablePlantConfig(days=7).n_rounds, CablePlantConfig.realistic(days=7).maintenance_rate
    (42, 0.1)
    """

    n_fnodes: int = 12
    days: int = 28
    start_s: int = 1_767_571_200
    modems: tuple[int, int] = (180, 320)
    n_amplifiers: int = 20
    most_branches: int = 3
    most_in_cascade: int = 5
    amplifier_evenness: float = 4.0
    homes_per_tap: int = 4

    interval_s: int = 14_400
    round_s: int = 1800
    first_round_s: int = 1800
    round_jitter_s: float = 180.0
    loss_share: float = 0.05
    round_lost_share: float = 0.005
    duplicate_share: float = 0.02
    duplicate_within_s: float = 600.0
    with_round_ids: bool = False
    with_counters: bool = False
    with_pre_equalization: bool = False

    n_channels: int = 3
    tx_power_dbmv: Range = (43.0, 3.2)
    tx_power_range_dbmv: Range = (36.0, 49.0)
    tilt_db: Range = (0.5, 0.4)
    tx_power_noise_db: float = 0.15
    tx_power_step_db: float = 0.25
    most_tx_power_dbmv: float = 51.0
    dead_band_db: float = 1.0
    rx_power_noise_db: float = 0.3
    snr_db: Range = (36.5, 1.0)
    channel_snr_db: tuple[float, ...] = (-1.5, 0.0, 0.4)
    floor_day_db: float = 0.5
    floor_wander_db: float = 0.3
    floor_memory_h: float = 6.0
    floor_weights: tuple[float, ...] = (1.0, 0.8, 0.7)
    snr_noise_db: float = 0.45
    snr_step_db: float = 0.1

    cable_db: float = 5.0
    cable_db_per_amplifier: float = 5.0
    cable_loss_per_c: float = 0.002
    mean_temperature_c: float = 10.0
    season_c: float = 10.0
    day_c: float = 7.5
    weather_c: float = 3.0
    rain_every_h: float = 72.0
    rain_h: float = 8.0
    drying_h: float = 18.0

    maintenance_per_day: float = 1 / 11
    service_per_day: float = 1 / 3
    maintenance_rate: float = 1.0
    service_rate: float = 1.0
    benign_rate: float = 1.0
    maintenance_mix: Mapping[str, float] = field(default_factory=_maintenance_mix)
    service_mix: Mapping[str, float] = field(default_factory=_service_mix)
    televisions_per_day: float = 1 / 180
    splitters_per_day: float = 1 / 20
    tap_faults_per_day: float = 0.0
    maintenance_median_h: float = 36.0
    service_median_h: float = 80.0
    television_median_h: float = 336.0
    duration_sigma: float = 1.0
    mean_dwell_h: float = 6.0
    dwell_amplitude: Range = (0.6, 1.0)
    steady_share: float = 0.0
    active_level: float = 0.25
    fault_modems: tuple[int, int] = (8, 120)
    attenuation_db: Range = (2.0, 6.0)
    attenuation_snr_db: Range = (0.5, 3.0)
    ingress_snr_db: Range = (4.0, 12.0)
    ingress_channels: tuple[Range, ...] = ((1.0, 1.0), (0.3, 1.0), (0.0, 0.6))
    ingress_tx_rise_share: float = 0.0
    segment_snr_db: Range = (3.0, 8.0)
    gain_loss_db: Range = (6.0, 15.0)
    drop_db: Range = (2.0, 9.0)
    drop_snr_db: Range = (2.0, 8.0)
    drop_poll_loss: float = 0.3
    drop_water_db: Range = (2.0, 9.0)
    drop_water_snr_db: Range = (1.0, 4.0)
    water_ramp_h: float = 48.0
    dry_share: float = 0.3
    temperature_driven_share: float = 0.15
    dead_for_good_share: float = 0.5
    splitter_db: tuple[float, ...] = (3.5, 7.0)
    television_h: Range = (2.0, 5.0)
    poll_loss_from_db: float = 3.0
    poll_loss_over_db: float = 12.0

    background_calls_per_day: float = 0.0015
    background_service_share: float = 0.85
    maintenance_call_share: float = 0.06
    service_call_share: float = 0.25
    maintenance_call_delay_h: float = 30.0
    service_call_delay_h: float = 60.0
    maintenance_label_right: float = 0.7
    service_label_right: float = 0.92
    repair_paperwork_h: float = 3.0
    background_ticket_h: float = 24.0

    reflection_share: float = 0.15
    reflection_days: float = 120.0
    reflection_db: Range = (-30.0, -15.0)
    reflection_taps: Range = (1.0, 8.0)
    wide_scale_share: float = 0.2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in _AT_LEAST_ONE and value < 1:
                raise SettingError(f"{name} must be at least 1")
            if name.endswith(_SHARES) and not 0 <= value <= 1:
                raise SettingError(f"{name} must lie between 0 and 1")
            if name.endswith(_NOT_NEGATIVE) and not value >= 0:
                raise SettingError(f"{name} must be at least 0")
            if name.endswith(_POSITIVE) and not min(_numbers(value)) > 0:
                raise SettingError(f"{name} must be positive")
            if name in _RANGES and not value[0] <= value[1]:
                raise SettingError(f"{name} is (least, most)")
        if self.modems[0] < self.n_amplifiers:
            raise SettingError("a fiber node has at least a modem for each amplifier")
        if _room(self.most_branches, self.most_in_cascade) < self.n_amplifiers:
            raise SettingError("so many amplifiers do not fit into such a tree")
        if not self.round_s < self.interval_s:
            raise SettingError("a round must be over before the next one starts")
        _check_mix(self.maintenance_mix, _maintenance_mix())
        _check_mix(self.service_mix, _service_mix())

    @classmethod
    def stress(cls, **settings: Any) -> Self:
        """Return the stress rates: a maintenance fault each 11 days, a service fault each 3."""
        return cls(**settings)

    @classmethod
    def realistic(cls, **settings: Any) -> Self:
        """Return a tenth of the stress rates; an estimate of the order, not a measured rate."""
        tenth: dict[str, Any] = dict.fromkeys(
            ("maintenance_rate", "service_rate", "benign_rate"), 0.1
        )
        return cls(**{**tenth, **settings})

    @classmethod
    def quiet(cls, **settings: Any) -> Self:
        """Return a plant in which nothing happens; customers still call now and then."""
        nothing: dict[str, Any] = dict.fromkeys(
            ("maintenance_rate", "service_rate", "benign_rate"), 0.0
        )
        return cls(**{**nothing, **settings})

    @property
    def n_rounds(self) -> int:
        """How many rounds of polling start within the days."""
        return max((self.days * 86_400 - self.first_round_s - 1) // self.interval_s + 1, 0)

    @property
    def end_s(self) -> int:
        """The first second after the last day."""
        return self.start_s + self.days * 86_400


def _numbers(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _check_mix(mix: Mapping[str, float], known: Mapping[str, float]) -> None:
    for name, share in mix.items():
        if name not in known:
            raise SettingError(f"no such fault is called {name!r}; there are {', '.join(known)}")
        if not share >= 0:
            raise SettingError(f"the share of {name} must be at least 0")
    if not sum(mix.values()) > 0:
        raise SettingError("a mix of faults needs one that can be")


def _room(most_branches: int, most_in_cascade: int) -> int:
    return sum(most_branches**depth for depth in range(1, most_in_cascade + 1))
