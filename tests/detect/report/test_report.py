"""The page about an evaluation: what it shows, and that no name from data can act on it."""

from __future__ import annotations

import copy
import itertools
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
from faultsight.detect.evaluation import Evaluation, evaluate_versions
from faultsight.detect.report import render_report, write_report
from faultsight.detect.report.augmented_samples import missed_spans
from faultsight.detect.report.axes import Axes, extent
from faultsight.detect.report.contributions import strongest_alarms
from faultsight.detect.report.entities import telling_entities
from faultsight.detect.report.network_view import reconstruct, unscaled, windows_of
from faultsight.detect.report.projection import project
from faultsight.detect.scaling import Scaling

HOUR_S = 3600
N_TRAIN, N_ROWS = 120, 240
KPIS = ("load", "drops", "delay_ms")
QUICK = AnoTunerConfig(epochs=2, window=12, n_hidden=16, n_filters=8, n_latent=4)
SECTIONS = ("figures", "errors", "entities", "augmented", "projection", "training")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "</style></title><link rel=stylesheet href=//evil.example>",
    "' onload='alert(1)",
    "\x1b[31m \u202e &amp; {{7*7}}",
    "名字" * 40,
    "",
)
VOID = {"meta"}


class Page(HTMLParser):
    """Collects the elements of a page and checks that they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.elements if t == tag and wanted.items() <= a.items()]

    @property
    def text(self) -> str:
        return "".join(self.words)


def a_frame(number: int, name: str = "", kpis: tuple[str, ...] = KPIS) -> KpiFrame:
    """Return an entity with a gross fault at 200 to 206 and a label for nothing at 150 to 155."""
    stream = np.random.default_rng(number)
    day = np.sin(np.arange(N_ROWS) / 24 * 2 * np.pi)
    values = day[:, None] * [3.0, 0.2, 1.0] + stream.normal(size=(N_ROWS, 3)) * [0.2, 0.1, 0.3]
    values[200:206, 1] += 4.0
    labels = np.zeros(N_ROWS)
    labels[200:206] = labels[150:155] = 1
    return KpiFrame(name or f"cell-{number}", kpis, 0, HOUR_S, values, labels=labels)


def quiet_at(model: AnoTuner, entity: str) -> AnoTuner:
    """Return the model with a level that nothing at one entity reaches."""
    other = copy.copy(model)
    other.levels = {**model.levels, entity: 1e9}
    return other


@pytest.fixture(scope="module")
def frames() -> list[KpiFrame]:
    return [a_frame(number) for number in range(3)]


@pytest.fixture(scope="module")
def model(frames: list[KpiFrame]) -> AnoTuner:
    fitted = AnoTuner(QUICK).fit([frame[:N_TRAIN] for frame in frames])
    # So that the label for nothing is missed for certain, and the gross fault is not.
    fitted.levels = {
        s.entity: float(s.total[N_TRAIN:195].max()) for s in fitted.score(frames)
    }  # fmt: skip
    return fitted


@pytest.fixture(scope="module")
def other(frames: list[KpiFrame]) -> AnoTuner:
    return AnoTuner(replace(QUICK, seed=1)).fit([frame[:N_TRAIN] for frame in frames])


@pytest.fixture(scope="module")
def found(model: AnoTuner, other: AnoTuner, frames: list[KpiFrame]) -> Evaluation:
    return evaluate_versions({"old": model, "new": other}, frames)


@pytest.fixture(scope="module")
def text(found: Evaluation) -> str:
    return render_report(found)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_every_section_is_there_and_draws_something(page: Page) -> None:
    assert tuple(str(a["id"]) for a in page.of("section")) == SECTIONS
    assert len(page.of("path", **{"class": "score"})) == 2 * 3, "two versions, three entities"
    assert page.of("path", **{"class": "sample decoder"})
    assert page.of("path", **{"class": "sample rstl"})
    assert page.of("rect", **{"class": "truth"})
    assert page.of("rect", **{"class": "hit"})
    for kind in ("actual", "before", "after"):
        assert page.of("path", **{"class": kind}), kind


def test_the_table_holds_the_rows_of_the_evaluation(page: Page, found: Evaluation) -> None:
    keys = [key for key in found.rows[0] if key != "model"]
    wanted = [row[key] for key in keys for row in found.rows if row[key] is not None]
    told = [float(str(a["value"])) for a in page.of("data")]
    assert told == wanted
    for key in keys:
        assert key.replace("_", " ") in page.text


def test_the_summary_and_the_bars_tell_the_counts(page: Page, found: Evaluation) -> None:
    old, new = found.counts("old"), found.counts("new")
    assert f"old missed {old.fn} of 33 anomalous rows" in page.text
    assert f"new missed {new.fn} and raised {new.fp} row" in page.text
    assert found.trade_off in page.text
    assert "faultsight bench run detect/ablation --json FILE" in page.text
    for name, counts in (("old", old), ("new", new), ("random", found.counts("random"))):
        assert f"{name}, missed: {counts.fn}" in page.text
        assert f"{name}, false: {counts.fp}" in page.text


def test_the_page_asks_nobody_and_runs_nothing(text: str, page: Page) -> None:
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "link", "iframe", "a"})
    assert not re.search(r"https?:|//[a-z]|url\(|@import|javascript:", text)
    policy = page.of("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert len(text.encode()) < 2_000_000


def test_the_same_evaluation_gives_the_same_bytes(
    found: Evaluation, text: str, tmp_path: Path
) -> None:
    written = write_report(tmp_path / "new" / "page.html", found)
    assert written.read_text("utf-8") == text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_data_are_text_whatever_they_say(name: str, page: Page) -> None:
    kpis = (name or " ", "drops", "delay_ms")
    frame = KpiFrame(name, kpis, 0, HOUR_S, a_frame(0).values, labels=a_frame(0).labels)
    model = AnoTuner(replace(QUICK, epochs=1)).fit([frame[:N_TRAIN]])
    text = render_report(evaluate_versions({name: model}, [frame]), title=name)
    hostile = Page(text)
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in page.elements}
    for _, attributes in hostile.elements:
        assert not any(key.startswith("on") or key in ("src", "href") for key in attributes)
    assert not any(c in text for c in ("\x1b", "\u202e"))
    if name.startswith("<script>"):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_one_entity_and_one_version(model: AnoTuner, frames: list[KpiFrame]) -> None:
    page = Page(render_report(evaluate_versions({"only": model}, frames[:1])))
    assert tuple(str(a["id"]) for a in page.of("section")) == SECTIONS
    assert len(page.of("path", **{"class": "score"})) == 1
    assert not page.of("path", **{"class": "before"})
    assert "only missed" in page.text
    assert " of 1 labelled entity" in page.text


def test_frames_without_labels_are_not_shown(model: AnoTuner, frames: list[KpiFrame]) -> None:
    bare = KpiFrame("cell-1", KPIS, 0, HOUR_S, frames[1].values)
    page = Page(render_report(evaluate_versions({"only": model}, [frames[0], bare, frames[2]])))
    assert "cell-2" in page.text
    assert "cell-1" not in page.text


def test_healthy_labels_leave_nothing_to_multiply(model: AnoTuner, frames: list[KpiFrame]) -> None:
    healthy = KpiFrame("cell-0", KPIS, 0, HOUR_S, frames[0].values, labels=np.zeros(N_ROWS))
    page = Page(render_report(evaluate_versions({"only": model}, [healthy])))
    assert "there is nothing to multiply" in page.text
    assert not page.of("rect", **{"class": "truth"})


def test_missing_values_leave_gaps(model: AnoTuner, frames: list[KpiFrame]) -> None:
    values = frames[0].values.copy()
    values[160:170] = np.nan
    values[:, 2] = np.nan
    values[200:203, 1] = np.nan
    holed = KpiFrame("cell-0", KPIS, 0, HOUR_S, values, labels=frames[0].labels)
    text = render_report(evaluate_versions({"only": model}, [holed]))
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", text.lower())
    drawn = Page(text).of("path", **{"class": "score"})[0]["d"]
    assert str(drawn).count("M") == 2, "one gap, two strokes"


def test_all_missing_since_training_is_nothing_to_report(
    model: AnoTuner, frames: list[KpiFrame]
) -> None:
    values = frames[0].values.copy()
    values[N_TRAIN:] = np.nan
    lost = KpiFrame("cell-0", KPIS, 0, HOUR_S, values, labels=frames[0].labels)
    with pytest.raises(InputError, match="not one value of the rows to judge is known"):
        evaluate_versions({"only": model}, [lost])
    page = Page(render_report(evaluate_versions({"only": model}, [lost, frames[1]])))
    assert "cell-0" in page.text


def test_entities_that_tuning_changed_most_come_first(
    model: AnoTuner, frames: list[KpiFrame]
) -> None:
    healthy = KpiFrame("a", KPIS, 0, HOUR_S, frames[0].values, labels=np.zeros(N_ROWS))
    found = evaluate_versions({"old": model, "new": quiet_at(model, "cell-2")}, [healthy, *frames])
    assert telling_entities(found, 2) == ["cell-2", "cell-0"]
    assert telling_entities(found)[-1] == "a", "nothing is labelled there"
    assert found.counts("new", ["cell-2"]).tp == 0


def test_strongest_alarms_are_of_the_last_version_that_has_any(
    model: AnoTuner, frames: list[KpiFrame]
) -> None:
    found = evaluate_versions({"old": model, "new": quiet_at(model, "cell-2")}, frames)
    alarm = strongest_alarms(found, "cell-0")[0]
    assert alarm.verdict.name == "new"
    assert alarm.is_right
    assert 200 <= alarm.row < 206
    assert alarm.kpis[0] == "drops"
    score = found.verdicts["new"].scores["cell-0"].total[alarm.row]
    assert alarm.peak == pytest.approx(score / model.levels["cell-0"])
    assert strongest_alarms(found, "cell-2")[0].verdict.name == "old"


def test_missed_spans_are_labelled_ones_without_a_single_alarm(found: Evaluation) -> None:
    spans = missed_spans(found)
    assert [(s.entity, s.start, s.stop) for s in spans] == [
        (f"cell-{number}", 150, 155) for number in range(3)
    ]


@pytest.mark.parametrize("form", ["streaming", "sliding"])
def test_the_reconstruction_is_what_the_score_was_made_from(
    form: Literal["streaming", "sliding"], frames: list[KpiFrame]
) -> None:
    config = replace(QUICK, form=form, memory=0.0, baseline_share=0.0)
    model = AnoTuner(config).fit([frame[:N_TRAIN] for frame in frames])
    low, span = model.scaling.of("cell-1")
    scaled = (reconstruct(model, frames[1]) - low) / span
    error = (scaled - model.scaling.apply(frames[1]).values) ** 2
    wanted = model.score([frames[1]])[0].residuals
    assert wanted is not None
    np.testing.assert_allclose(error / model.usual["cell-1"][0], wanted, rtol=1e-3, atol=1e-4)


def test_windows_are_the_same_whatever_the_order_of_kpis(frames: list[KpiFrame]) -> None:
    config = replace(QUICK, baseline_share=0.3)
    model = AnoTuner(config).fit([frame[:N_TRAIN] for frame in frames])
    ends = np.array([100, 170])
    known = windows_of(model, [(frames[1], ends)])
    turned = windows_of(model, [(frames[1].with_kpis(frames[1].kpis[::-1]), ends)])
    assert (known.apart > 0).all()
    for one, other in zip(
        (*known.windows, known.apart), (*turned.windows, turned.apart), strict=True
    ):
        assert one.equal(other)


def test_unscaled_undoes_scaling(frames: list[KpiFrame]) -> None:
    scaling = Scaling.fit([frames[0][:N_TRAIN]])
    inside = frames[0][:190]
    back = unscaled(scaling, inside, scaling.apply(inside).values)
    was_clipped = np.isin(scaling.apply(inside).values, (-1.0, 2.0))
    np.testing.assert_allclose(
        back[~was_clipped], inside.values[~was_clipped], rtol=1e-4, atol=1e-4
    )
    assert was_clipped.mean() < 0.05


def test_without_scikit_learn_the_map_is_of_principal_components(
    found: Evaluation, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "t-SNE of the mean" in page.text
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    without = Page(render_report(found))
    assert "Principal components (t-SNE needs scikit-learn, which is not installed)" in without.text
    assert len(without.of("circle", **{"class": "p-quiet"})) == len(
        page.of("circle", **{"class": "p-quiet"})
    )


def test_projection_keeps_groups_apart() -> None:
    stream = np.random.default_rng(0)
    table = stream.normal(size=(60, 5))
    table[30:] += 20.0
    points, method = project(table)
    assert method == "t-SNE"
    apart = np.linalg.norm(points[:30].mean(axis=0) - points[30:].mean(axis=0))
    assert apart > points[:30].std() + points[30:].std()
    same, method = project(np.ones((60, 5)))
    assert method.startswith("Principal")
    assert np.allclose(same, 0.0)


def test_an_untouched_network_is_drawn_once(model: AnoTuner, frames: list[KpiFrame]) -> None:
    found = evaluate_versions({"old": model, "new": quiet_at(model, "cell-2")}, frames)
    assert "tuning left the network as it was" in Page(render_report(found)).text


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=900))
def test_a_curve_keeps_the_extremes_however_long_it_is(values: list[float]) -> None:
    table = np.array(values)
    axes = Axes(0, 0, 40, 1000, (0.0, float(len(table))), extent(table))
    drawn = axes.curve(table, "score")
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", drawn)]
    known = table[np.isfinite(table)]
    if not known.size:
        assert not drawn
        return
    assert min(heights) == pytest.approx(axes.y(float(known.max())), abs=0.06)
    assert max(heights) == pytest.approx(axes.y(float(known.min())), abs=0.06)
    assert len(heights) <= max(len(table), 160) if len(table) <= 160 else len(heights) <= 160


def test_a_long_series_stays_small() -> None:
    axes = Axes(0, 0, 900, 100, (0.0, 500_000.0), (-4.0, 4.0))
    stream = np.random.default_rng(0)
    values = stream.normal(size=500_000)
    assert len(axes.curve(values, "score")) < 80_000
    assert axes.spans(values > 2, "truth", "").count("<rect") <= 900


@pytest.mark.parametrize("width", [250, 412, 942])
@pytest.mark.parametrize("start_s", [0, 50 * HOUR_S])
@pytest.mark.parametrize("n_rows", [1, 5, 30, 118, 168, 5_000, 200_000])
def test_time_axis_names_neither_touch_nor_leave_the_picture(
    width: int, start_s: int, n_rows: int
) -> None:
    axes = Axes(64, 0, width, 100, (0.0, float(n_rows)), (0.0, 1.0))
    found = re.findall(r'<text x="([\d.]+)"[^>]*>([^<]*)</text>', axes.time_axis(start_s, HOUR_S))
    spans = [(float(x) - len(name) * 3, float(x) + len(name) * 3) for x, name in found]
    assert spans
    assert all(a[1] + 3 < b[0] for a, b in itertools.pairwise(spans))
    assert spans[0][0] >= 0
    assert spans[-1][1] <= 64 + width + 12
