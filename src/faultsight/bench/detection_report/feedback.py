"""What marks are worth: to AnoTuner, to methods that learn by their own way, and to all by ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from faultsight.bench.detect_runs import ANOTUNER, PAPER, RANDOM
from faultsight.bench.detection_report.blocks import Block, Heading, Items, Table, Text
from faultsight.bench.detection_report.published import Published
from faultsight.bench.detection_report.wording import FIGURE_NAMES, code, figure, joined, signed
from faultsight.bench.engine import Row
from faultsight.bench.feedback_summary import COMPARED

__all__ = ["headline", "section"]

_BEST = "f1_point_adjusted"
_BOTH = "fp+fn"
_COLUMNS = ("none", "fp", "fn", _BOTH, f"{_BOTH}+asked")
_DIVIDED = ("f1_deployed", "average_precision")
"""Of these it is said whose the gain is."""

_ByTuning = Mapping[tuple[str, str], Row]
"""What is said of a method, tuned by such marks."""


def headline(published: Published) -> list[str]:
    """Return in sentences what marks were worth; nothing without ``detect-table1``."""
    told = []
    for row in published.summary("detect-table1", "ratio"):
        name = str(row["figure"])
        if name in (_BEST, "average_precision"):
            times = "" if row["ratio"] is None else f", {_times(row['ratio'])} times as much"
            papers = "" if row["papers_ratio"] is None else (
                f" (in the paper {_times(row['papers_ratio'])} times)")  # fmt: skip
            told.append(
                f"With marks of both kinds the ACVAE-style peer's {FIGURE_NAMES[name]} changes by "
                f"{signed(row['acvae_style_gain'])}, AnoTuner's by "
                f"{signed(row['anotuner_gain'])}{times}{papers}."
            )
    return told


def section(published: Published) -> list[Block]:
    """Return all that is there of ``detect-table1`` and ``detect-feedback*``."""
    blocks = [*_table1(published), *_before_and_after(published)]
    if not blocks:
        return []
    return [
        Heading("What marks are worth"),
        Text(
            "Labels of the first 30 % of the test play the operator; the last 70 % are judged. "
            "Gains are over the same method, set and seed before any mark. "
            "Our layers and AnoTuner's tuning were set with these sets at hand, the mechanisms of "
            "the others were not."
        ),
        *blocks,
    ]


def _table1(published: Published) -> list[Block]:
    methods = published.summary("detect-table1", "method")
    if not methods:
        return []
    own, ours = (
        {(str(r["method"]), str(r["tuning"])): r for r in methods if r["mechanism"] == mechanism}
        for mechanism in ("own", "ours")
    )
    learn = [m for (m, tuning), row in own.items()
             if tuning == _BOTH and row["learns_from"] != "none"]  # fmt: skip
    blocks: list[Block] = [
        Heading("The paper's columns: best F1, each method by its own feedback", 3),
        Text(
            "Means over sets. `fp` is marks of false alarms, `fn` of missed anomalies; `asked` are "
            "more windows that a method itself asks about. A method that cannot learn from a kind "
            "of marks stays as it was."
        ),
        _papers_columns(own, learn),
        *_ratio(published.summary("detect-table1", "ratio")),
        Heading("Both kinds of marks: by its own way, and by our layers given to all", 3),
        Text(
            "Our layers (head, patterns, pooled and recalibrated levels) stand on any method's "
            "scores, so that a better detector can be told from a better use of marks."
        ),
        *_whose_gain(own, ours),
        _own_and_ours(own, ours),
        *_gained_more(published.summary("detect-table1", "difference")),
        *_is_ahead(published.summary("detect-table1", "difference")),
    ]  # fmt: skip
    return blocks


def _papers_columns(own: _ByTuning, methods: Sequence[str]) -> Table:
    columns = [c for c in _COLUMNS if any((m, c) in own for m in methods)]
    table = []
    for m in sorted(methods, key=lambda m: (-_number(own[m, _BOTH], _BEST), m)):
        figures = [figure(own[m, c][_BEST] if (m, c) in own else None) for c in columns]
        gain = signed(own[m, _BOTH].get(f"{_BEST}_gain"))
        table.append([code(m), str(own[m, _BOTH]["learns_from"]), *figures, gain])
    return Table(["method", "learns from", *columns, "gain in fp+fn"], table, texts=2)


def _ratio(ratios: Sequence[Row]) -> list[Block]:
    if not ratios:
        return []
    table = [
        [FIGURE_NAMES.get(str(r["figure"]), str(r["figure"])), signed(r["anotuner_gain"]),
         signed(r["acvae_style_gain"]), _times(r["ratio"]), _times(r["papers_ratio"])]
        for r in ratios
    ]  # fmt: skip
    return [
        Heading("AnoTuner's gain over the ACVAE-style peer's", 3),
        Text(
            "The paper's fivefold gain is of best F1, on data of its own that nobody else has. "
            "Where the peer gained nothing there is no ratio."
        ),
        Table(["figure", "`anotuner`", "`acvae_style`", "ratio", "the paper's"], table),
    ]


def _own_and_ours(own: _ByTuning, ours: _ByTuning) -> Table:
    methods = [m for m, tuning in own if tuning == _BOTH]
    order = sorted(methods, key=lambda m: (-_number(own[m, _BOTH], "average_precision"), m))
    head = ["method", "learns from"]
    for name in COMPARED:
        head += [FIGURE_NAMES[name], "own", "ours"]
    table = []
    for m in order:
        cells = [code(m), str(own[m, _BOTH]["learns_from"])]
        for name in COMPARED:
            cells.append(figure(own[m, "none"][name] if (m, "none") in own else None))
            cells += [_gain(known.get((m, _BOTH)), name) for known in (own, ours)]
        table.append(cells)
    return Table(head, table, texts=2)


def _whose_gain(own: _ByTuning, ours: _ByTuning) -> list[Block]:
    """Return, in sentences, whether AnoTuner's gain is its own or that of layers all can have."""
    known = [m for m, tuning in own if tuning == _BOTH and (m, _BOTH) in ours]
    if ANOTUNER not in known:
        return []
    others = [m for m in known if m not in (ANOTUNER, PAPER, RANDOM)]
    told = []
    for name in _DIVIDED:
        gains = {m: tuple(of[m, _BOTH].get(f"{name}_gain") for of in (own, ours)) for m in known}
        first, by_layers = (float(gain or 0) for gain in gains[ANOTUNER])
        pairs = [(float(a), float(b)) for m in others for a, b in [gains[m]]
                 if a is not None and b is not None]  # fmt: skip
        said = (
            f"{FIGURE_NAMES[name]}: AnoTuner gains {signed(first)} by its own tuning and "
            f"{signed(by_layers)} by our layers alone, {_share(by_layers, first)}."
        )
        if pairs:
            more = sum(b > a for a, b in pairs)
            as_much = sum(b >= first for _, b in pairs)
            said += (
                f" The median gain of the {len(pairs)} others by our layers is "
                f"{signed(median(b for _, b in pairs))}: {more} of them gain more by our layers "
                f"than by their own way, and {as_much} no less by them than AnoTuner by its own "
                "tuning."
            )
        told.append(said)
    return [
        Text(
            "Is the gain AnoTuner's or the layers'? Its own tuning is these layers with history "
            "corrected by the marks and fine-tuning before them. `anotuner-paper` and the random "
            "score are not among the others."
        ),
        Items(told),
    ]


def _share(part: float, whole: float) -> str:
    """Return in words how much of AnoTuner's own gain the layers give it."""
    if whole <= 0:
        return "so that there is no gain of its own to divide"
    if part >= whole:
        return "which is all of it"
    return "which is none of it" if part <= 0 else f"which is {100 * part / whole:.0f} % of it"


def _gained_more(rows: Sequence[Row]) -> list[Block]:
    return _differences(
        rows, "more", "By how much more AnoTuner gained",
        "AnoTuner by its own way, less the gain of the other, over the same sets, seeds and "
        "entities; in brackets the 95 % interval over entities drawn anew within each set. Few "
        "entities make it too narrow, so that who gained more is told by the t-interval with "
        "Welch's degrees of freedom, which minds that some sets have two to four. Of so many "
        "intervals some lie beside 0 by chance.",
        ("gained", "more", "less"),
    )  # fmt: skip


def _is_ahead(rows: Sequence[Row]) -> list[Block]:
    return _differences(
        rows, "ahead", "By how much AnoTuner is ahead with marks",
        "Who is worse untuned has more to gain. So this is the figure of AnoTuner with marks of "
        "both kinds, by its own way, less that of the other, with the same intervals.",
        ("is", "better", "worse"),
    )  # fmt: skip


def _differences(
    rows: Sequence[Row], what: str, title: str, said: str, words: tuple[str, str, str]
) -> list[Block]:
    """Return a table and, in sentences, how many lie beside 0; nothing where a result lacks it."""
    if not rows or any(f"{name}_{what}" not in rows[0] for name in COMPARED):
        return []
    verb, better, worse = words
    table, told = [], []
    for r in rows:
        cells = [code(r["method"]), str(r["mechanism"])]
        for name in COMPARED:
            interval = ""
            if r[f"{name}_{what}_low"] is not None:
                low, high = (signed(r[f"{name}_{what}_{end}"]) for end in ("low", "high"))
                interval = f" ({low} to {high})"
            cells.append(signed(r[f"{name}_{what}"]) + interval)
        table.append(cells)
    for mechanism, way in (("own", "its own way"), ("ours", "our layers")):
        for name in COMPARED:
            alike = [r for r in rows if r["mechanism"] == mechanism and r["method"] != ANOTUNER]
            above, below = ([r for r in alike if _is_beside_0(r, f"{name}_{what}", sign)]
                            for sign in (1, -1))  # fmt: skip
            drawn = [r for r in alike if _number(r, f"{name}_{what}_low") > 0]
            lost = [r for r in alike if _number(r, f"{name}_{what}_high") < 0]
            told.append(
                f"{FIGURE_NAMES[name]}, others by {way}: AnoTuner {verb} {better} than "
                f"{len(above)} of {len(alike)}, {worse} than {_counted(below)}; of the rest it "
                f"cannot be told. The narrower interval says {better} than {len(drawn)}, {worse} "
                f"than {_counted(lost)}."
            )
    return [
        Heading(title, 3),
        Text(said),
        Items(told),
        Table(["method", "its way", *(FIGURE_NAMES[name] for name in COMPARED)], table, texts=2),
    ]


def _counted(rows: Sequence[Row]) -> str:
    """Return how many there are, and which."""
    return f"{len(rows)} ({joined(code(r['method']) for r in rows)})" if rows else "0"


def _is_beside_0(row: Row, name: str, sign: int) -> bool:
    low, high = (row[f"{name}_t_{end}"] for end in ("low", "high"))
    return low is not None and high is not None and (sign * float(low) > 0 < sign * float(high))


def _before_and_after(published: Published) -> list[Block]:
    table = []
    for name in published.results:
        if not name.startswith("detect-feedback"):
            continue
        for row in published.summary(name):
            if row["tuning"] == _BOTH and row["layers"] == "all":
                cells = [str(row["dataset"]), code(row["method"]), str(row["seeds"])]
                for metric in COMPARED:
                    after, gain = row[f"{metric}_mean"], row.get(f"{metric}_gain_mean")
                    if after is None or gain is None:
                        cells.append("\N{EN DASH}")
                        continue
                    before = float(after) - float(gain)
                    least = signed(row[f"{metric}_gain_min"])
                    cells.append(f"{figure(before)} \N{RIGHTWARDS ARROW} {figure(after)} ({least})")
                table.append(cells)
    if not table:
        return []
    table.sort(key=lambda cells: (cells[0], cells[1]))
    return [
        Heading("Before and after, over several seeds", 3),
        Text(
            "From `detect/feedback`, on all entities of each set: means over seeds before and "
            "after marks of both kinds, and in brackets the least gain of any seed."
        ),
        Table(["set", "method", "seeds", *(FIGURE_NAMES[m] for m in COMPARED)], table, texts=2),
    ]


def _gain(row: Row | None, name: str) -> str:
    return signed(None if row is None else row.get(f"{name}_gain"))


def _times(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "\N{EN DASH}"


def _number(row: Row, name: str) -> float:
    """Return a figure; 0, which is neither above nor below 0, where there is none."""
    return float(row.get(name) or 0)
