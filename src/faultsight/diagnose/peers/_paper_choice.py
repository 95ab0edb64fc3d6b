"""What can be set where one of the paper's choices is replaced by a rival."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faultsight.diagnose.telapart import FEATURES, TelApartConfig

__all__ = ["PaperChoiceConfig"]


@dataclass(frozen=True)
class PaperChoiceConfig:
    """Settings of TelApart in the paper's mode with one choice replaced.

    Parameters
    ----------
    cluster_size : int
        An anomalous cluster of more modems is a maintenance fault; the paper's ISP chose 5.
    features : tuple of str
        Of ``snr``, ``tx_power``, ``missing``. All three by default; the paper's Figures 8 and 9
        show SNR alone.

    Raises
    ------
    SettingError
        If a value cannot be.

    Examples
    --------
    >>> PaperChoiceConfig(features=("snr",)).telapart(clustering="single").clustering
    'single'
    """

    cluster_size: int = 5
    features: tuple[str, ...] = FEATURES

    def __post_init__(self) -> None:
        self.telapart()

    def telapart(self, **choice: Any) -> TelApartConfig:
        """Return the paper's mode with a choice replaced."""
        return TelApartConfig.paper(
            cluster_size=self.cluster_size, features=self.features, **choice
        )  # fmt: skip
