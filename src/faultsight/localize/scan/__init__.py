"""The default localizer: a likelihood-ratio scan of all combinations of the cube.

Read on in the order of the method: `noise` (how much normal leaves deviate), `shift` (what all
leaves share), `gain` (what a combination explains), `search` (greedy, over the whole cube),
`significance` (when to stop); if asked for, `subsets` (elements that fail together) and
`stability` (the bootstrap).

There is no threshold on leaves, no assumption that the leaves of a root deviate alike, and no
number of roots to give: one parameter set served every data set it was measured on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.localize.contract import Answer, Candidate, Finding, LayerTrace, Localizer
from faultsight.localize.cuboids import Cuboids
from faultsight.localize.leaves import Leaves

if TYPE_CHECKING:
    from faultsight.localize.scan.gain import Gain
    from faultsight.localize.scan.search import Found, Search

__all__ = ["Scan", "ScanConfig"]

_NEAREST = 10
_TINY_P = 1e-12
_REMARKABLE_SHIFT = 0.01


@dataclass(frozen=True)
class ScanConfig:
    """Settings of the scan.

    Attributes
    ----------
    alpha : float
        Accepted chance of a false root in noise, after multiple testing. 0.001: real noise has
        heavier tails than the model, so this is kept below the usual levels.
    cap : float
        A leaf's deviation counts for at most this many standard deviations. 7: a single leaf can
        still be a root in a cube of 10^5 leaves, and no leaf outweighs many that agree.
    shift_within : float
        A shift common to all leaves is taken out if it is at most this many standard deviations
        of a typical leaf. 0.5: real forecasts are off by that much as a whole, while fewer large
        roots than that would be mistaken for a shift.
    least_effect : float
        A root deviates by at least so many standard deviations of its leaves. 0.3: thousands of
        leaves can make a deviation certain that nobody would act on.
    least_share : float
        A root of a ratio KPI holds at least this share of all excess failures. 0.15: in an
        outage failure rates rise everywhere, and what the roots leave of it is no second fault.
    least_leaves : int
        A root covers at least so many active leaves. 1: a single leaf that is far out is a root,
        as it should be where forecasts are good. Where single leaves jump by themselves (heavy
        tails), 2 keeps them out.
    max_roots : int
        The search ends after so many.
    max_layer : int or None
        The widest combinations to look at; None looks at all.
    told_roots : int or None
        How many roots there are, if known: so many are returned and nothing is tested.
    value_subsets : bool
        Whether to look for elements of one attribute that fail together, and test them as one
        root, which counts once in `max_roots` and `told_roots`. Off: it helps where a fault is
        weak in each of several elements, and a set that is sure says less of each of its members.
    bootstrap : int
        Bootstrap samples for the stability of each root; 0 computes none. Each costs as much as
        the localization itself.
    seed : int
        Where the bootstrap's draws start.

    Raises
    ------
    SettingError
        If a value is out of its range.
    """

    alpha: float = 0.001
    cap: float = 7.0
    shift_within: float = 0.5
    least_effect: float = 0.3
    least_share: float = 0.15
    least_leaves: int = 1
    max_roots: int = 12
    max_layer: int | None = None
    told_roots: int | None = None
    value_subsets: bool = False
    bootstrap: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise SettingError(f"alpha must lie between 0 and 1, not {self.alpha}")
        if not self.cap > 0:
            raise SettingError(f"cap must be above 0, not {self.cap}")
        for name in ("shift_within", "least_effect", "least_share", "bootstrap"):
            if not getattr(self, name) >= 0:
                raise SettingError(f"{name} must not be negative, but is {getattr(self, name)}")
        for name in ("least_leaves", "max_roots", "max_layer", "told_roots"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name} must be at least 1, not {value}")


class Scan(Localizer):
    """Find the combinations that explain the deviation of a cube best, and how surely.

    Every combination of every cuboid gets the gain in likelihood from letting it deviate; the best
    one is taken, its leaves are removed, the noise is fitted again, and so on, until what is best
    could be noise. Additive KPIs are judged by relative deviations, ratios by excess failures.

    Abstains, with the reason, if no combination deviates beyond noise, or from a shift that all
    leaves share.

    Parameters
    ----------
    config : ScanConfig, optional
        Settings.

    Examples
    --------
    >>> from itertools import product
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> rows = list(product("ab", "xyz", range(8)))
    >>> stream = np.random.default_rng(0)
    >>> frame = pl.DataFrame(rows, schema=["cdn", "site", "isp"], orient="row").with_columns(
    ...     predict=pl.lit(100.0), real=100 + 3 * stream.standard_normal(len(rows)))
    >>> fails = (pl.col("cdn") == "a") & (pl.col("site") == "y")
    >>> frame = frame.with_columns(real=pl.when(fails).then(0.6 * pl.col("real")).otherwise("real"))
    >>> answer = Scan().localize(KpiCube.from_frame(frame))
    >>> [str(c) for c in answer.combinations], answer.patterns[0].direction
    (['cdn=a&site=y'], 'drop')
    """

    name: ClassVar[str] = "scan"

    def __init__(self, *, config: ScanConfig | None = None) -> None:
        self.config = config or ScanConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        from faultsight.localize.scan.search import Search
        from faultsight.localize.scan.stability import stability

        config = self.config
        cuboids = leaves.cuboids(config.max_layer)
        active: NDArray[np.intp] | slice = slice(None)
        n_active = int(np.count_nonzero(leaves.is_active))
        if n_active < leaves.cube.n_leaves:
            active = np.flatnonzero(leaves.is_active)

        def prepared(weight: NDArray[np.float64] | None, next_best: int) -> Search:
            return Search(
                cuboids,
                active,
                self._gain(leaves, active),
                leaves.cube.attributes,
                weight=weight,
                least_leaves=config.least_leaves,
                next_best=next_best,
                value_subsets=config.value_subsets,
            )

        def found_in(search: Search) -> list[Found]:
            return search.roots(alpha=config.alpha, most=config.max_roots, told=config.told_roots)

        search = prepared(None, _NEAREST)
        roots = found_in(search)
        stable: Sequence[float | None] = [None] * len(roots)
        if config.bootstrap and roots:
            stable = stability(
                roots,
                lambda weight: found_in(prepared(weight, 0)),
                leaves=n_active,
                samples=config.bootstrap,
                seed=config.seed,
            )
        return Answer(
            findings=[
                Finding(
                    elements=member,
                    score=root.score,
                    confidence=root.purity,
                    reason=_verdict(leaves, search, root) + _together(leaves, root, member),
                    p_value=root.p_value,
                    stability=share,
                )
                for root, share in zip(roots, stable, strict=True)
                for member in root.members
            ],
            dropped=_dropped(leaves, search, roots),
            abstained="" if roots else _reason_to_abstain(search),
            trace=[
                self._trace(leaves, cuboids, search, number) for number in range(len(search.steps))
            ],
            remarks=_remarks(search.gain),
        )

    def _gain(self, leaves: Leaves, active: NDArray[np.intp] | slice) -> Gain:
        from faultsight.localize.scan.gain import DeviationGain, ExcessGain

        actual, forecast = leaves.actual[active], leaves.forecast[active]
        if leaves.kpi.is_ratio:
            return ExcessGain(actual, forecast, least_share=self.config.least_share)
        return DeviationGain(
            actual,
            forecast,
            cap=self.config.cap,
            shift_within=self.config.shift_within,
            least_effect=self.config.least_effect,
        )

    def _trace(self, leaves: Leaves, cuboids: Cuboids, search: Search, number: int) -> LayerTrace:
        step = search.steps[number]
        tested = tuple(self.name_of(leaves, member) for member in step.found.members)
        is_root = number < search.n_roots
        losers = tuple(
            self.name_of(leaves, c.elements)
            for c in step.next_best
            if c.elements not in step.found.members
        )
        return LayerTrace(
            title=f"step {number + 1}",
            cuboids=len(cuboids),
            combinations=search.n_combinations,
            accepted=tested if is_root else (),
            dropped=losers if is_root else (*tested, *losers)[:_NEAREST],
            note=_verdict(leaves, search, step.found) + ("" if is_root else ": the search ends"),
        )


def _verdict(leaves: Leaves, search: Search, found: Found) -> str:
    chosen = search.leaves_of(found.leaves)
    actual, forecast = float(leaves.actual[chosen].sum()), float(leaves.forecast[chosen].sum())
    if forecast > 0:
        change = actual / forecast - 1
        size = f"{abs(change):,.0%} {'below' if change < 0 else 'above'} what was expected"
    else:
        size = "nothing was expected"
    chance = f"= {found.p_value:.1g}" if found.p_value >= _TINY_P else f"< {_TINY_P:.0e}"
    text = f"{size} over {len(chosen):,} leaves, gain {found.gain:,.1f}, p {chance}"
    if found.inflation > 1.005:
        text += f" (gains of like combinations are inflated {found.inflation:.2f} times)"
    return text


def _together(leaves: Leaves, root: Found, member: Mapping[int, int]) -> str:
    """Say with which elements the combination was tested, if with any."""
    others = [other for other in root.members if other != member]
    if not others:
        return ""
    (attribute,) = (a for a in member if member[a] != others[0][a])
    names = sorted(leaves.cube.elements[attribute][other[attribute]] for other in others)
    if len(names) > _NEAREST:
        names[_NEAREST:] = [f"{len(names) - _NEAREST} more"]
    return f"; together with {', '.join(names)} of {leaves.cube.attributes[attribute]}"


def _dropped(leaves: Leaves, search: Search, roots: Sequence[Found]) -> list[Candidate]:
    """Return what failed its test, what later roots explain, and the runners-up of step 1."""
    taken = [member for root in roots for member in root.members]
    dropped = []
    for step in search.steps[search.n_roots :]:
        reason = "could be noise: " + _verdict(leaves, search, step.found)
        dropped.append(Candidate(step.found.elements, step.found.score, reason))
        taken.append(step.found.elements)
    for root in search.redundant:
        for member in root.members:
            dropped.append(Candidate(member, root.score, "later roots explain its leaves"))
            taken.append(member)
    for scored in search.steps[0].next_best if search.steps else ():
        if scored.elements not in taken:
            taken.append(scored.elements)
            dropped.append(
                Candidate(scored.elements, scored.score, "another explains its leaves better")
            )
    return dropped[:_NEAREST]


def _reason_to_abstain(search: Search) -> str:
    if search.gain.is_shifted:
        return "a shift that all leaves share explains the deviation"
    return "no combination deviates beyond noise"


def _remarks(gain: Gain) -> list[str]:
    if abs(gain.shift) < _REMARKABLE_SHIFT:
        return []
    side = "below" if gain.shift > 0 else "above"
    return [f"all leaves lie about {abs(gain.shift):.1%} {side} their forecasts: taken out first"]
