"""localize/speed: seconds and memory by number of leaves and attributes, dense and sparse."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.core.cube import KpiCube
from faultsight.core.errors import UnknownMemberError
from faultsight.core.kpi import Kpi
from faultsight.core.seed import random_stream
from faultsight.localize import LOCALIZERS
from faultsight.localize.cuboids import Cuboids

T = TypeVar("T")

_CUBOIDS = "cuboid-sums"
_DEFAULT_METHODS = ("autoroot", "rapminer", "riskloc", "scan", "squeeze")
# Up to so many runs are timed, for a second at least, and their median is taken.
_REPEATS = 5
# The first run is not counted, unless it takes so many seconds that it stays the only one.
_LONG_S = 5.0
# Strings of a larger table take more memory than the cube; its codes are made directly.
_MOST_ENCODED_CELLS = 16_000_000
# A whole lattice with more cells than this takes gigabytes.
_MOST_CELLS = 60_000_000


@dataclass(frozen=True)
class _Table:
    """A leaf table: dense (every combination there is) or sparse (few of those)."""

    leaves: int
    attributes: int
    dense: bool
    max_layer: int | None = None

    @property
    def name(self) -> str:
        layers = f"_layers_{self.max_layer}" if self.max_layer else ""
        kind = "dense" if self.dense else "sparse"
        return f"{kind}_{self.leaves}x{self.attributes}{layers}"

    @property
    def sizes(self) -> tuple[int, ...]:
        if not self.dense:
            # Wide enough to be sparse at ten million leaves, and a key still fits 63 bits.
            return (max(30, round(2e8 ** (1 / self.attributes))),) * self.attributes
        if (self.leaves, self.attributes) == (10_560, 4):
            return (33, 4, 4, 20)
        sizes: list[int] = []
        for left in range(self.attributes, 0, -1):
            sizes.append(max(2, round((self.leaves / math.prod(sizes)) ** (1 / left))))
        return tuple(sizes)

    @property
    def cells(self) -> float:
        """About how many cells all cuboids have together."""
        if self.dense:
            return math.prod(size + 1.0 for size in self.sizes)
        layers = self.max_layer or self.attributes
        size = self.sizes[0]
        return sum(
            math.comb(self.attributes, layer) * min(self.leaves, float(size) ** layer)
            for layer in range(1, layers + 1)
        )


_TABLES = (
    _Table(10_560, 4, dense=True),
    _Table(1_000_000, 6, dense=True),
    _Table(1_000_000, 10, dense=False, max_layer=3),
    *(
        _Table(leaves, attributes, dense=dense, max_layer=None if dense or attributes < 8 else 3)
        for leaves in (10_000, 1_000_000, 10_000_000)
        for attributes in (4, 8, 12)
        for dense in (True, False)
    ),
)


class LocalizeSpeed(Scenario):
    """Seconds by number of leaves and attributes: encoding, cuboid sums, whole localizations.

    Tables go from small to large; ``cases`` takes only the first so many. ``cuboid-sums`` is three
    sums over every cuboid (up to three attributes where the name says so); a localizer is timed
    from encoded cube to answer, with its default settings. A run that would by its growth take
    longer than the seconds allowed, or hold too many cells, is left out and named in the notes.

    ``seconds`` is the median of a few runs after one that is not counted. The first to touch memory
    that nothing has used since the machine started waits for the system to hand it out, which takes
    several times as long as the sums of ten million leaves and has nothing to do with who asks.
    """

    id: ClassVar[str] = "localize/speed"
    title: ClassVar[str] = "Seconds and memory by number of leaves and attributes"

    def run(self, context: Context) -> Outcome:
        """Time every method on every table that the limits allow."""
        tables = sorted(_TABLES, key=lambda t: (t.leaves, t.attributes, not t.dense))
        known = [table.name for table in tables]
        for name in context.datasets:
            if name not in known:
                raise UnknownMemberError("table", name, known)
        tables = [t for t in tables if not context.datasets or t.name in context.datasets]
        methods = context.methods or (_CUBOIDS, *_DEFAULT_METHODS)
        notes = [
            f"left out, only the first {context.cases} tables asked for: {table.name}"
            for table in tables[context.cases or len(tables) :]
        ]
        notes.insert(0, f"the median of up to {_REPEATS} runs after one that is not counted")
        notes.insert(1, f"what takes {_LONG_S:g} s or more is run once")
        rows: list[Row] = []
        slowest: dict[tuple[str, bool], tuple[float, float]] = {}
        _compile(methods)
        for table in tables[: context.cases]:
            limits = {m: _too_large(table, m, slowest, context.seconds) for m in methods}
            notes += [f"left out: {m} on {table.name}: {why}" for m, why in limits.items() if why]
            able = [method for method, why in limits.items() if not why]
            if not able:
                continue
            cube, encoding_s = _cube(table, context.seed)
            for method in able:
                row = _row(table, method, cube, encoding_s)
                slowest[method, table.dense] = (float(row["seconds"] or 0), table.cells)
                context.progress(f"{table.name} {method}: {row['seconds']:.4f} s")
                rows.append(row)
        return Outcome(rows, notes)


def _too_large(
    table: _Table, method: str, slowest: dict[tuple[str, bool], tuple[float, float]], limit: float
) -> str:
    cells = table.cells
    if method != _CUBOIDS and table.max_layer:
        cells = _Table(table.leaves, table.attributes, dense=False).cells
    if cells > _MOST_CELLS:
        return f"about {cells:.0e} cells, more than {_MOST_CELLS:.0e}"
    seconds, at = slowest.get((method, table.dense), (0.0, 1.0))
    if seconds * cells / at > limit:
        return f"would take about {seconds * cells / at:.0f} s, more than {limit:g} s"
    return ""


def _row(table: _Table, method: str, cube: KpiCube, encoding_s: float | None) -> Row:
    row: Row = {
        "method": method,
        "dataset": table.name,
        "leaves": cube.n_leaves,
        "attributes": table.attributes,
        "dense": table.dense,
    }
    if method == _CUBOIDS:
        cuboids, plan_s = _timed(
            lambda: Cuboids(cube.codes, cube.cardinalities, max_layer=table.max_layer)
        )
        columns = (cube.actual[0], cube.forecast[0], np.abs(cube.actual[0] - cube.forecast[0]))
        _, sums_s = _timed(lambda: cuboids.sums(*columns))
        row |= {"cuboids": len(cuboids), "plan_seconds": plan_s, "sums_seconds": sums_s}
        seconds = plan_s + sums_s
        memory: float | None = _peak_mb(
            lambda: Cuboids(cube.codes, cube.cardinalities, max_layer=table.max_layer).sums(
                *columns
            )
        )
    else:
        localizer = LOCALIZERS.load(method)()
        answer, seconds = _timed(lambda: localizer.localize(cube))
        row["patterns"] = len(answer.patterns)
        memory = _peak_mb(lambda: localizer.localize(cube)) if seconds < 60 else None
    return row | {
        "seconds": seconds,
        "nanoseconds_per_leaf": seconds / cube.n_leaves * 1e9,
        "encoding_seconds": encoding_s,
        "memory_mb": memory,
        "cube_mb": (cube.codes.nbytes + cube.actual.nbytes + cube.forecast.nbytes) / 1e6,
    }


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    result, first_s = _once(work)
    if first_s >= _LONG_S:
        return result, first_s
    seconds: list[float] = []
    while not seconds or (len(seconds) < _REPEATS and sum(seconds) < 1.0):
        del result  # Two at a time would ask for more memory than one that works alone.
        result, run_s = _once(work)
        seconds.append(run_s)
    return result, float(np.median(seconds))


def _once(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _peak_mb(work: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _compile(methods: Sequence[str]) -> None:
    """Run everything once on small tables: what is compiled on demand is not timed."""
    for table in (_Table(1000, 4, dense=True), _Table(1000, 4, dense=False)):
        cube, _ = _cube(table, 0)
        for method in methods:
            _row(table, method, cube, None)


def _cube(table: _Table, seed: int) -> tuple[KpiCube, float | None]:
    """Return a cube whose first element of the first attribute has lost half of its value."""
    stream = random_stream(seed, "speed", table.name)
    codes = _codes(table, stream)
    forecast = stream.gamma(2.0, 50.0, len(codes))
    actual = forecast * np.maximum(1 + 0.02 * stream.standard_normal(len(codes)), 0.0)
    actual[codes[:, 0] == 0] *= 0.5
    # Names sort as their codes do, so that encoding them gives the same cube.
    names = [[f"{code:06d}" for code in range(size)] for size in table.sizes]
    attributes = tuple(f"attribute {i:02d}" for i in range(table.attributes))
    for values in (codes, actual, forecast):
        values.setflags(write=False)
    cube = KpiCube(
        attributes=attributes,
        elements=tuple(map(tuple, names)),
        codes=codes,
        measures=("real",),
        actual=actual[np.newaxis],
        forecast=forecast[np.newaxis],
        kpis=(Kpi.additive("real"),),
        name=table.name,
    )
    if codes.size > _MOST_ENCODED_CELLS:
        return cube, None
    frame = cube.to_frame()
    start = time.perf_counter()
    KpiCube.from_frame(frame)
    return cube, time.perf_counter() - start


def _codes(table: _Table, stream: np.random.Generator) -> NDArray[np.int32]:
    n_cells = math.prod(table.sizes)
    if table.dense:
        keys = np.arange(n_cells)
    else:
        drawn = stream.integers(n_cells, size=int(table.leaves * 1.1))
        keys = stream.permutation(np.unique(drawn))[: table.leaves]
        keys.sort()
    codes = np.empty((len(keys), table.attributes), dtype=np.int32, order="F")
    for axis in range(table.attributes - 1, -1, -1):
        keys, codes[:, axis] = np.divmod(keys, table.sizes[axis])
    return codes
