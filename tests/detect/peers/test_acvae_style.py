"""ACVAE-style: the usual network alone before marks; both, contrasted, after."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.peers._training import Batch
from faultsight.detect.peers.acvae_style import (
    ACVAEStyle,
    ACVAEStyleConfig,
    WindowVAE,
    _spread,
)
from faultsight.detect.tuning.active_learning import Query


def detector(**told: float) -> ACVAEStyle:
    made = ACVAEStyle(ACVAEStyleConfig(window=4, n_hidden=5, n_latent=2, **told))  # type: ignore[arg-type]
    torch.manual_seed(0)
    made.network = made._build(3).eval()
    return made


def batch() -> Batch:
    rows = torch.rand(6, 4, 3, generator=torch.Generator().manual_seed(1))
    return Batch(rows, torch.ones_like(rows), torch.arange(6), 1)


def test_the_divergence_is_that_from_the_standard_normal() -> None:
    torch.manual_seed(0)
    network = WindowVAE(3, 5, 2)
    rows = batch().rows
    mean, log_variance = network.gaussian(network.inward(rows)[1][-1]).chunk(2, dim=1)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(network(rows, draw=False).divergence, expected)


def test_before_marks_the_score_is_the_usual_networks_error_and_then_more() -> None:
    made, told = detector(weight=0.5), batch()
    last = told.rows[:, -1]
    usual, anomalous = (
        (last - network(told.rows, draw=False).rows[:, -1]).square()
        for network in (made.network.usual, made.network.anomalous)
    )
    torch.testing.assert_close(made._read(told).abs(), usual)
    made.network.knows_anomalies.fill_(1.0)
    torch.testing.assert_close(
        made._read(told).abs(), usual + 0.5 * (usual - anomalous).clamp(min=0.0)
    )


def test_the_contrast_is_the_bound_of_the_right_network_and_a_hinge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, told = detector(margin=2.0), batch()
    errors = {made.network.usual: 3.0, made.network.anomalous: 4.0}

    def error(self: object, network: torch.nn.Module, given: Batch) -> tuple[torch.Tensor, ...]:
        return torch.full((6,), errors[network]), torch.full((6,), 0.5)  # type: ignore[index]

    monkeypatch.setattr(ACVAEStyle, "_error", error)
    usual = 3.5 + max(3.0 - 4.0 + 2.0, 0.0)
    anomalous = 4.5 + max(4.0 - 3.0 + 2.0, 0.0)
    kinds = torch.tensor([True, False, False, False, False, False])
    # Few anomalies weigh as much as many usual windows.
    assert made._contrast(told, kinds).item() == pytest.approx((usual + anomalous) / 2)
    assert made._contrast(told, ~kinds & kinds).item() == pytest.approx(usual)


def test_the_error_is_over_twice_the_variance_and_what_is_known() -> None:
    made, told = detector(), batch()
    known = torch.ones_like(told.rows)
    known[:, 1:] = 0.0
    torch.manual_seed(4)
    found = made.network.usual(told.rows, draw=True).rows
    torch.manual_seed(4)
    error, _ = made._error(made.network.usual, Batch(told.rows, known, told.windows))
    expected = (told.rows - found)[:, 0].square().mean(1) / (2 * made.config.variance)
    torch.testing.assert_close(error, expected)


@pytest.mark.parametrize("change", [{"variance": 0.0}, {"margin": -1.0}, {"n_latent": 0}])
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        ACVAEStyleConfig(**change)  # type: ignore[arg-type]


def fitted() -> tuple[ACVAEStyle, list[KpiFrame]]:
    stream = np.random.default_rng(0)
    frames = [
        KpiFrame(f"cell-{i}", ("load", "drops"), 0, 60, stream.normal(size=(120, 2)))
        for i in range(2)
    ]
    config = ACVAEStyleConfig(
        window=4, n_hidden=5, n_latent=2, epochs=2, tune_epochs=3, n_queries=6
    )
    return ACVAEStyle(config).fit([frame[:80] for frame in frames]), frames


def test_an_operator_is_asked_about_later_rows_near_the_level_that_no_mark_speaks_of() -> None:
    made, frames = fitted()
    asked: list[Query] = []

    def ask(query: Query) -> bool | None:
        asked.append(query)
        return None if len(asked) == 1 else query.entity == "cell-0"

    mark = Mark("cell-0", TimeWindow(80 * 60, 90 * 60), MarkKind.FALSE_ALARM)
    tuned, counts = made.tune(frames, [mark], ask=ask)
    assert len({(q.entity, q.at) for q in asked}) == 6
    assert all(q.at >= (90 if q.entity == "cell-0" else 80) for q in asked)
    answers = [q.entity for q in asked[1:]]
    assert counts["anomalous"] == answers.count("cell-0")
    assert counts["normal"] == 10 + answers.count("cell-1")
    assert tuned.score(frames)[0].total.tobytes() != made.score(frames)[0].total.tobytes()
    # The first is the most uncertain of all: the score nearest the level of its history.
    totals = {s.entity: s.total for s in made.score(frames)}
    doubt = {e: np.abs(np.log(t / np.quantile(t[:80], 0.995))) for e, t in totals.items()}
    first = doubt[asked[0].entity][asked[0].at]
    assert first == pytest.approx(min(doubt["cell-0"][90:].min(), doubt["cell-1"][80:].min()))


def test_nobody_is_asked_about_history() -> None:
    made, frames = fitted()
    _, counts = made.tune([frame[:80] for frame in frames], [], ask=lambda _: True)
    assert counts == {"anomalous": 0, "normal": 0}


def test_queries_are_spread() -> None:
    points = np.array([[0.0], [0.1], [5.0], [5.1], [-3.0]])
    assert _spread(points, 3).tolist() == [0, 3, 4]
    assert sorted(_spread(points, 9).tolist()) == [0, 1, 2, 3, 4]
    assert _spread(points[:0], 2).tolist() == []
