"""GDN: the graph by hand, attention on it alone, the largest KPI as the score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers.gdn import GDN, GDNConfig, GDNNetwork, _mean_with_before


def network(n_kpis: int, n_neighbors: int) -> GDNNetwork:
    torch.manual_seed(0)
    return GDNNetwork(n_kpis, GDNConfig(n_embedding=2, n_neighbors=n_neighbors)).eval()


def test_each_kpi_listens_to_the_most_alike_and_to_itself() -> None:
    made = network(4, 1)
    with torch.no_grad():
        made.embedding.copy_(torch.tensor([[1.0, 0.0], [9.0, 1.0], [0.0, 1.0], [-0.1, 5.0]]))
    # By cosine: 0 and 1 point one way, 2 and 3 another; length does not count.
    assert made.graph().int().tolist() == [
        [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1],
    ]  # fmt: skip


def test_attention_sums_to_one_on_the_graph() -> None:
    made = network(5, 2)
    weights = made.weights(torch.randn(3, 5, 2))
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 5))
    assert ((weights > 0) == made.graph()).all()


def test_a_kpi_off_the_graph_changes_no_prediction() -> None:
    made = network(4, 1)
    with torch.no_grad():
        made.embedding.copy_(torch.tensor([[1.0, 0.0], [9.0, 1.0], [0.0, 1.0], [-0.1, 5.0]]))
        made.inward.weight.abs_()  # so that no unit is cut off
    rows = torch.rand(2, 5, 4)
    changed = rows.clone()
    changed[:, :, 0] += 7.0
    with torch.inference_mode():
        apart = (made(rows) - made(changed)).abs().amax(0)
    assert (apart[:2] > 0).all()
    assert (apart[2:] == 0).all()


def test_attention_is_that_of_the_papers_equations() -> None:
    made = network(3, 2)
    features = torch.randn(1, 3, 2)
    told = torch.cat([made.embedding, features[0]], dim=1)
    listens, speaks = made.attention.weight
    for i in range(3):
        raw = torch.stack([listens @ told[i] + speaks @ told[j] for j in range(3)])
        expected = torch.softmax(torch.nn.functional.leaky_relu(raw, 0.2), dim=0)
        torch.testing.assert_close(made.weights(features)[0, i], expected)


def test_the_score_is_the_largest_kpi() -> None:
    frame = KpiFrame("a", ("x", "y", "z"), 0, 60, np.random.default_rng(0).random((80, 3)))
    (score,) = GDN(GDNConfig(epochs=1)).fit([frame]).score([frame])
    assert score.residuals is not None
    np.testing.assert_allclose(score.total, score.residuals.max(axis=1), rtol=1e-6)


def test_errors_are_averaged_over_the_row_and_those_before_it() -> None:
    errors = np.array([[4.0], [2.0], [np.nan], [6.0], [0.0]], dtype=np.float32)
    assert _mean_with_before(errors, 3)[:, 0].tolist() == pytest.approx(
        [4.0, 3.0, np.nan, 4.0, 3.0], nan_ok=True
    )
    np.testing.assert_array_equal(_mean_with_before(errors, 1), errors)


def test_an_error_lasts_as_long_as_it_is_averaged() -> None:
    rows = np.sin(np.arange(300.0) / 5)[:, None] * [1.0, -2.0]
    rows[250] = 9.0
    frame = KpiFrame("a", ("x", "y"), 0, 60, rows)
    config = GDNConfig(window=3, batch=16)
    plain, smooth = (
        GDN(replace(config, smoothing_rows=n)).fit([frame[:200]]).score([frame])[0].total
        for n in (1, 9)
    )
    # A prediction looks back three rows, an average nine: what follows is not the row's own.
    assert plain[250] > 50 * plain[255:259].max()
    assert smooth[255:259].min() > 50 * smooth[262:].max()


def test_settings_that_make_no_network_are_refused() -> None:
    with pytest.raises(SettingError, match="dropout"):
        GDNConfig(dropout=1.0)


@pytest.mark.parametrize("n_kpis", [1, 2])
def test_with_fewer_kpis_than_neighbours_all_are_listened_to(n_kpis: int) -> None:
    assert network(n_kpis, 15).graph().all()
