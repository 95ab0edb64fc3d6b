"""Mean ranks over datasets, Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from faultsight.bench.mean_ranks import Ranking, critical_difference, rank_methods
from faultsight.core.errors import InputError

# Table 6 of Demšar, JMLR 7, 2006: AUC of C4.5 with four settings on 14 sets.
_AUC = {
    "C4.5": (0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619,
             0.972, 0.957),
    "C4.5+m": (0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666,
               0.981, 0.978),
    "C4.5+cf": (0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.000, 0.965, 0.614,
                0.9751, 0.946),
    "C4.5+m+cf": (0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.000, 0.962,
                  0.669, 0.975, 0.970),
}  # fmt: skip


def _figures(table: Mapping[str, tuple[float, ...]]) -> dict[str, dict[str, float | None]]:
    n = len(next(iter(table.values())))
    return {f"set {i}": {m: values[i] for m, values in table.items()} for i in range(n)}


def test_it_is_the_worked_example_of_the_paper() -> None:
    found = rank_methods(_figures(_AUC))
    assert found.rank_of == pytest.approx(
        {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}, abs=5e-4
    )
    plain = 12 * 14 / 20 * (sum(rank**2 for rank in found.ranks) - 25)
    assert plain == pytest.approx(9.28, abs=0.01)  # the paper's, before ties are corrected for
    assert found.statistic is not None
    assert plain < found.statistic < 1.15 * plain
    assert found.p_value is not None
    assert found.p_value < 0.05
    assert found.difference == pytest.approx(1.25, abs=5e-3)
    assert found.methods == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    assert found.like_first == found.methods
    assert found.groups == [(0, 3)]


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_critical_values_are_those_of_the_paper(methods: int, quantile: float) -> None:
    told = critical_difference(methods, 20) / (methods * (methods + 1) / 120) ** 0.5
    assert told == pytest.approx(quantile, abs=1e-3)


def test_who_has_no_figure_ranks_last_and_ties_share_their_rank() -> None:
    found = rank_methods(
        {
            "A": {"a": 0.1, "b": None, "c": float("nan")},
            "B": {"a": 0.2, "b": 0.2 + 1e-12, "c": 0.1},
            "C": {"a": -5.0, "c": None},
        }
    )
    assert found.rank_of == pytest.approx({"a": (1 + 1.5 + 1) / 3, "b": (2.5 + 1.5 + 2.5) / 3,
                                           "c": (2.5 + 3 + 2.5) / 3})  # fmt: skip
    assert found.datasets == 3


def test_a_clear_order_is_told_apart_at_its_ends() -> None:
    table = {f"m{n}": tuple(10.0 - n + 0.01 * i for i in range(30)) for n in range(6)}
    found = rank_methods(_figures(table))
    assert list(found.ranks) == [1, 2, 3, 4, 5, 6]
    assert found.difference == pytest.approx(1.377, abs=2e-3)
    assert found.like_first == ("m0", "m1")
    assert found.groups == [(n, n + 1) for n in range(5)]


def test_there_is_no_test_of_two_methods_of_one_set_or_of_equal_figures() -> None:
    tables: list[dict[str, dict[str, float | None]]] = [
        {"A": {"a": 1.0, "b": 2.0}, "B": {"a": 1.0, "b": 2.0}},
        {"A": {"a": 1.0, "b": 2.0, "c": 3.0}},
    ]
    for figures in tables:
        found = rank_methods(figures)
        assert (found.statistic, found.p_value, found.difference) == (None, None, None)
    equal = rank_methods({name: dict.fromkeys("abc", 0.5) for name in ("A", "B")})
    assert equal.p_value is None
    assert equal.like_first == ("a", "b", "c")
    with pytest.raises(InputError):
        rank_methods({"A": {}})


def test_no_group_lies_within_another() -> None:
    ranking = Ranking(tuple("abcde"), (1.0, 1.5, 3.0, 3.2, 6.0), 9, None, None, 2.0)
    assert ranking.groups == [(0, 2), (1, 3)]
