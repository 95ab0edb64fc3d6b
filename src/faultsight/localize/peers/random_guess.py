"""Random guesses: the floor that every localizer must clear.

It looks at no value at all. A method that does not beat it has found nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.localize.contract import Answer, Finding, Localizer
from faultsight.localize.leaves import Leaves

__all__ = ["RandomGuess", "RandomGuessConfig"]


@dataclass(frozen=True)
class RandomGuessConfig:
    """Settings of the random guesses.

    Attributes
    ----------
    guesses : int
        How many combinations to guess. 5: enough to be ranked by recall at 5; cubes with fewer
        combinations get fewer.
    seed : int
        Of the draws; a cube's name goes in as well, so that cases of one shape get guesses of
        their own.

    Raises
    ------
    SettingError
        If there is nothing to guess, or the seed is negative.
    """

    guesses: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.guesses < 1:
            raise SettingError(f"guesses must be at least 1, not {self.guesses}")
        if self.seed < 0:
            raise SettingError(f"seed must be at least 0, not {self.seed}")


class RandomGuess(Localizer):
    """Guess combinations that exist in the cube: a layer, attributes, an active leaf, all uniform.

    Parameters
    ----------
    config : RandomGuessConfig, optional
        Settings.

    Examples
    --------
    >>> import polars as pl
    >>> from faultsight.core.cube import KpiCube
    >>> cube = KpiCube.from_frame(pl.DataFrame({"site": ["a", "b"], "os": ["x", "y"],
    ...     "real": [1.0, 2.0], "predict": [1.0, 2.0]}))
    >>> len(RandomGuess(config=RandomGuessConfig(guesses=3)).localize(cube).patterns)
    3
    """

    excused: ClassVar[Mapping[str, str]] = {
        "check_names_change_nothing": "what is drawn follows the order of the names; other names "
        "are another draw",
    }

    def __init__(self, *, config: RandomGuessConfig | None = None) -> None:
        self.config = config or RandomGuessConfig()

    def _localize(self, leaves: Leaves) -> Answer:
        stream = random_stream(self.config.seed, "random_guess", leaves.cube.name)
        names = leaves.cube.attributes
        by_name = np.array(sorted(range(len(names)), key=names.__getitem__))
        # In the order of the attributes' names, so that the order of columns changes no draw.
        codes = leaves.codes[leaves.is_active][:, by_name]
        codes = codes[np.lexsort(codes.T[::-1])]
        guessed: dict[tuple[tuple[int, int], ...], None] = {}
        # Cubes may hold fewer combinations than are asked for.
        for _ in range(20 * self.config.guesses):
            layer = int(stream.integers(1, len(names) + 1))
            chosen = np.sort(stream.choice(len(names), size=layer, replace=False))
            leaf = codes[stream.integers(len(codes))]
            guessed[tuple((int(by_name[a]), int(leaf[a])) for a in chosen)] = None
            if len(guessed) == self.config.guesses:
                break
        return Answer(
            findings=[
                Finding(dict(elements), 1.0 / rank, 0.0, "drawn at random")
                for rank, elements in enumerate(guessed, start=1)
            ]
        )
