"""Random guesses: combinations of the cube, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.localize.checks import fault_frame
from faultsight.localize.peers.random_guess import RandomGuess, RandomGuessConfig


def test_guesses_exist_in_the_cube_and_follow_the_seed() -> None:
    cube = KpiCube.from_frame(fault_frame())
    answers = [
        RandomGuess(config=RandomGuessConfig(guesses=7, seed=seed)).localize(cube)
        for seed in (0, 0, 1)
    ]
    assert answers[0] == answers[1]
    assert answers[0].combinations != answers[2].combinations
    for pattern in answers[0].patterns:
        assert cube.leaves_of(pattern.combination).size > 0
    assert [p.score for p in answers[0].patterns] == pytest.approx([1 / r for r in range(1, 8)])


def test_values_are_not_looked_at_but_empty_leaves_are_passed_over() -> None:
    frame = fault_frame()
    cube = KpiCube.from_frame(frame)
    still = KpiCube.from_frame(frame.with_columns(real="predict"))
    assert RandomGuess().localize(cube).combinations == RandomGuess().localize(still).combinations
    empty = pl.col("A") != "a0"
    cut = KpiCube.from_frame(frame.with_columns(
        real=pl.when(empty).then("real").otherwise(0.0),
        predict=pl.when(empty).then("predict").otherwise(0.0)))  # fmt: skip
    guesses = RandomGuess(config=RandomGuessConfig(guesses=100)).localize(cut).combinations
    assert len(guesses) > 50
    assert all(c.get("A") != "a0" for c in guesses)


def test_cases_of_one_shape_get_guesses_of_their_own() -> None:
    cube = KpiCube.from_frame(fault_frame())
    other = replace(cube, name="another case")
    assert RandomGuess().localize(cube).combinations != RandomGuess().localize(other).combinations


def test_layers_are_drawn_uniformly() -> None:
    cube = KpiCube.from_frame(fault_frame())
    layers = [
        RandomGuess(config=RandomGuessConfig(guesses=1, seed=seed)).localize(cube).patterns[0].layer
        for seed in range(300)
    ]
    # 100 of each expected; 35 away from it is four standard deviations.
    assert np.bincount(layers, minlength=4)[1:] == pytest.approx(100, abs=35)


def test_small_cubes_get_fewer_guesses() -> None:
    frame = pl.DataFrame({"a": ["x"], "real": [1.0], "predict": [1.0]})
    assert len(RandomGuess().localize(KpiCube.from_frame(frame)).patterns) == 1


@pytest.mark.parametrize("bad", [{"guesses": 0}, {"seed": -1}], ids=str)
def test_settings_out_of_range_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(SettingError, match=next(iter(bad))):
        RandomGuessConfig(**bad)
