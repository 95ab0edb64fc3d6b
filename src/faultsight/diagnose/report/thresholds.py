"""What the diagnoser learned from tickets: every threshold, and the curve it was chosen on."""

from __future__ import annotations

import numpy as np

from faultsight.core.svg import drawing, element, escaped, figure
from faultsight.diagnose.report.axes import extent, ticks
from faultsight.diagnose.report.svg import table
from faultsight.diagnose.report.wording import FEATURES, number, percent
from faultsight.diagnose.telapart import TelApart
from faultsight.diagnose.telapart.score_threshold import ScoreThreshold
from faultsight.diagnose.telapart.ticket_guided import GuidedThreshold

__all__ = ["section"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340, 170, 50, 10, 12, 34
_CRITERIA = {
    "likelihood": "log-likelihood of the tickets",
    "trr": "maintenance ticketing rate ratio",
    "default": "default: tickets do not tell",
}


def section(model: TelApart) -> str:
    """Return the section."""
    rows, charts = [], []
    is_paper = model.config.evidence == "paper"
    for feature in model.config.features:
        chosen = model.similarity.get(feature)
        if chosen is None:
            continue
        score = model.scores.get(feature)
        rows.append(
            (
                escaped(FEATURES.get(feature, feature)),
                _score_in_words(feature, score, is_paper=is_paper),
                number(score.trr) if score is not None else number(None),
                percent(score.time_share) if score is not None else number(None),
                percent(score.ticket_share) if score is not None else number(None),
                f"{chosen.similarity:.3f}",
                number(chosen.trr),
                escaped(_CRITERIA.get(chosen.criterion, chosen.criterion)),
            )
        )
        caption = f"<b>{escaped(FEATURES.get(feature, feature))}</b>: " + (
            f"one group from similarity {chosen.similarity:.3f}"
        )
        charts.append(figure(_curve(chosen), caption))
    if not rows:
        return ""
    columns = (
        "feature", "anomalous from", "tickets above / below", "of all time", "of all tickets",
        "one group from", "maintenance tickets M / S", "chosen by",
    )  # fmt: skip
    return (
        "<section id=thresholds><h2>Thresholds learned from tickets</h2>"
        "<p class=quiet>None is set by hand. A modem is anomalous from the first threshold on; "
        "modems that move alike from the second on are one group, and a group of more than "
        f"{model.config.cluster_size} is a fault of the shared plant. The curves show what each "
        "similarity threshold is worth by tickets; where a curve is missing, a guard forbids the "
        f"threshold.</p>{table(columns, rows, numeric=range(1, 7))}"
        f"<div class=thirds>{''.join(charts)}</div></section>"
    )


def _score_in_words(feature: str, score: ScoreThreshold | None, *, is_paper: bool) -> str:
    if score is None:
        return "what CableMon chose"
    if feature != "missing":
        return f"{number(score.value)} dB"
    if is_paper:
        return f"{number(score.value)} missed polls"
    return f"a chance of 1 in {10**score.value:,.0f}"


def _curve(chosen: GuidedThreshold) -> str:
    known = np.isfinite(chosen.values)
    if not known.any():
        return ""
    low, high = extent(chosen.values, least=1e-6)

    def x(similarity: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * similarity

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    drawn = []
    for mark in ticks(low, high, 4):
        drawn.append(element("line", x1=x(0), x2=x(1), y1=y(mark), y2=y(mark), class_="grid"))
        drawn.append(element("text", number(mark), x=_LEFT - 6, y=y(mark) + 4, class_="tick",
                             text_anchor="end"))  # fmt: skip
    drawn += [
        element("text", f"{mark:g}", x=x(mark), y=_HEIGHT - 18, class_="tick",
                text_anchor="middle")
        for mark in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]  # fmt: skip
    drawn.append(element("text", "similarity threshold", x=x(0.5), y=_HEIGHT - 4,
                         class_="tick", text_anchor="middle"))  # fmt: skip
    commands, is_down = [], False
    for similarity, value, is_known in zip(
        chosen.thresholds.tolist(), chosen.values.tolist(), known.tolist(), strict=True
    ):
        if is_known:
            commands.append(f"{'L' if is_down else 'M'}{x(similarity):.1f} {y(value):.1f}")
        is_down = is_known
    drawn.append(element("path", d="".join(commands), class_="criterion"))
    at = x(chosen.similarity)
    drawn.append(element("line", x1=at, x2=at, y1=_TOP - 4, y2=_HEIGHT - _BOTTOM, class_="cut"))
    return drawing("What each similarity threshold is worth", "".join(drawn), _WIDTH, _HEIGHT)
