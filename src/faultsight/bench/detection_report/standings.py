"""Who leads, and where a simple method is as good as AnoTuner: by set and by figure."""

from __future__ import annotations

from collections.abc import Sequence

from faultsight.bench.detect_runs import ANOTUNER, RANDOM
from faultsight.bench.detection_report.blocks import Block, Heading, Items, Picture, Table, Text
from faultsight.bench.detection_report.published import Published
from faultsight.bench.detection_report.rank_diagram import rank_diagram
from faultsight.bench.detection_report.wording import FIGURE_NAMES, code, figure, joined, kind_of
from faultsight.bench.engine import Row
from faultsight.bench.mean_ranks import Ranking
from faultsight.bench.scenarios.detect_leaderboard import ranking_of

__all__ = ["headline", "section"]

_DRAWN = ("average_precision", "vus_pr", "f1_deployed")
_NAMED = 3


def headline(published: Published) -> list[str]:
    """Return in sentences who is first; nothing without the leaderboard."""
    rows = published.rows("detect-leaderboard")
    if not rows:
        return []
    told = []
    for name in _DRAWN:
        ranking = ranking_of(rows, name)
        told.append(
            f"By mean rank in {FIGURE_NAMES[name]} {code(ranking.methods[0])} is first of "
            f"{len(ranking.methods)} methods on {ranking.datasets} sets{_told_apart(ranking)}."
        )
        if ANOTUNER in ranking.rank_of and ranking.methods[0] != ANOTUNER:
            told.append(f"AnoTuner's place is {ranking.methods.index(ANOTUNER) + 1}.")
    return told


def section(published: Published) -> list[Block]:
    """Return the standings; nothing without the leaderboard."""
    rows = published.rows("detect-leaderboard")
    if not rows:
        return []
    rankings = {name: ranking_of(rows, name) for name in FIGURE_NAMES}
    blocks: list[Block] = [
        Heading("Standings"),
        Text(
            "Means and mean ranks over all sets, without any feedback. A method without a row on "
            "a set ranks last there. **Bold** ranks are not told apart from the first: they differ "
            "from it by less than Nemenyi's critical difference at 5 % (Demšar, JMLR 7, 2006). "
            "AnoTuner's settings were chosen with these sets at hand, those of the others come "
            "from their papers or from what two cores can carry: its places flatter it."
        ),
        _means(rows, rankings, published.summary("detect-leaderboard", "method")),
        _tests(rankings),
    ]
    for name in _DRAWN:
        title = f"Mean ranks in {FIGURE_NAMES[name]}"
        drawn = rank_diagram(rankings[name], title)
        blocks.append(
            Picture(
                f"detection-comparison-{name.replace('_', '-')}", title, drawn,
                f"{title}, the best on the left. Methods under one bar are not told apart by "
                f"{rankings[name].datasets} sets.",
            )
        )  # fmt: skip
    blocks.append(Heading("AnoTuner and the others, set by set"))
    blocks.append(
        Text(
            "Simple methods train no neural network. As good or better means: at least AnoTuner's "
            "figure on that set, without any tolerance."
        )
    )
    for name in FIGURE_NAMES:
        blocks += _by_set(rows, name)
    blocks.append(Heading("All methods on all sets"))
    for name in FIGURE_NAMES:
        blocks += [Heading(_title(name), 3), _pivot(rows, name, rankings["average_precision"])]
    return blocks


def _told_apart(ranking: Ranking) -> str:
    if ranking.difference is None:
        return ""
    others = len(ranking.like_first) - 1
    return f", but not told apart from {others} of them" if others else ", and told apart from all"


def _means(rows: Sequence[Row], rankings: dict[str, Ranking], means: Sequence[Row]) -> Table:
    known = {str(row["method"]): row for row in means}
    first = rankings["average_precision"]
    head = ["method", "kind", "sets"]
    for name in FIGURE_NAMES.values():
        head += [name, "rank"]
    table = []
    for method in first.methods:
        cells = [code(method), kind_of(method, rows), str(known[method]["datasets"])]
        for name, ranking in rankings.items():
            rank = f"{ranking.rank_of[method]:.2f}"
            cells.append(figure(known[method][name]))
            cells.append(f"**{rank}**" if method in ranking.like_first else rank)
        table.append(cells)
    return Table(head, table, texts=2)


def _tests(rankings: dict[str, Ranking]) -> Table:
    table = []
    for name, ranking in rankings.items():
        p = "\N{EN DASH}" if ranking.p_value is None else f"{ranking.p_value:.2g}"
        difference = "\N{EN DASH}" if ranking.difference is None else f"{ranking.difference:.2f}"
        table.append([FIGURE_NAMES[name], code(ranking.methods[0]), p, difference,
                      f"{len(ranking.like_first) - 1} of {len(ranking.methods) - 1}"])  # fmt: skip
    head = [
        "figure",
        "first",
        "Friedman's p",
        "critical difference",
        "not told apart from the first",
    ]
    return Table(head, table, texts=2)


def _by_set(rows: Sequence[Row], name: str) -> list[Block]:
    table: list[list[str]] = []
    wins: list[str] = []
    beaten: list[str] = []
    for dataset in dict.fromkeys(str(row["dataset"]) for row in rows):
        known = {str(r["method"]): float(r[name] or 0) for r in rows
                 if r["dataset"] == dataset and r[name] is not None}  # fmt: skip
        order = sorted(known, key=lambda m: (-known[m], m))
        if not order:
            continue
        own = known.get(ANOTUNER)
        simple = [m for m in order if kind_of(m, rows) == "simple"]
        networks = [m for m in order if kind_of(m, rows) == "network"]
        better = [m for m in simple if own is None or known[m] >= own]
        if own is not None and own == known[order[0]]:
            wins.append(dataset)
        if better:
            beaten.append(f"{dataset} ({joined(map(code, better), _NAMED)})")
        place = "\N{EN DASH}" if own is None else _place(order)
        table.append([
            dataset, f"{code(order[0])} {figure(known[order[0]])}", figure(own), place,
            _named(better, known, len(simple)),
            _named([m for m in networks if own is None or known[m] >= own], known, len(networks)),
            figure(known.get(RANDOM)),
        ])  # fmt: skip
    head = ["set", "first", "AnoTuner", "its place", "simple ones as good or better",
            "networks as good or better", "random score"]  # fmt: skip
    return [
        Heading(_title(name), 3),
        Items([
            f"AnoTuner is first on {len(wins)} of {len(table)} sets: {joined(wins)}.",
            f"A simple method is as good or better on {len(beaten)}: {joined(beaten)}.",
        ]),
        Table(head, table, texts=6),
    ]  # fmt: skip


def _place(order: Sequence[str]) -> str:
    # A place is never broken over two lines.
    return f"{order.index(ANOTUNER) + 1} of {len(order)}".replace(" ", "\N{NO-BREAK SPACE}")


def _named(methods: Sequence[str], known: dict[str, float], of: int) -> str:
    named = [f"{code(m)} {figure(known[m])}" for m in methods]
    return f"{len(methods)} of {of}: {joined(named, _NAMED)}" if methods else f"0 of {of}"


def _pivot(rows: Sequence[Row], name: str, ranking: Ranking) -> Table:
    datasets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
    cells = {(row["method"], row["dataset"]): row[name] for row in rows}
    best = {
        dataset: max((float(v or 0) for (_, d), v in cells.items() if d == dataset), default=0.0)
        for dataset in datasets
    }
    table = []
    for method in ranking.methods:
        told = [code(method)]
        for dataset in datasets:
            value = cells.get((method, dataset))
            is_best = value is not None and float(value) == best[dataset]
            told.append(f"**{figure(value)}**" if is_best else figure(value))
        table.append(told)
    return Table(["method", *datasets], table)


def _title(name: str) -> str:
    is_adjusted = name.startswith("f1_")
    title = FIGURE_NAMES[name][0].upper() + FIGURE_NAMES[name][1:]
    return f"{title} (point-adjusted)" if is_adjusted else title
