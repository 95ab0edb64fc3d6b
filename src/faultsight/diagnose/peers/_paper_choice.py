"""TelApart as published, with one of its choices replaced by a rival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import Diagnoser, NodeDiagnosis, Progress
from faultsight.diagnose.telapart import FEATURES, TelApart, TelApartConfig

__all__ = ["PaperChoice", "PaperChoiceConfig"]


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


class PaperChoice(Diagnoser):
    """A TelApart in the paper's mode does the work; a member names its `choice`, and no more.

    Parameters
    ----------
    config : PaperChoiceConfig, optional
        Settings.

    Attributes
    ----------
    telapart : TelApart
        What does the work.
    """

    choice: ClassVar[Mapping[str, Any]]
    """What is set otherwise than in `TelApartConfig.paper`."""

    def __init__(self, config: PaperChoiceConfig | None = None) -> None:
        self.config: PaperChoiceConfig = config or PaperChoiceConfig()
        self.telapart = TelApart(self.config.telapart(**self.choice))
        self.metrics = self.telapart.metrics
        self.look_back_s = self.telapart.look_back_s

    @property
    def history_s(self) -> int:
        """How much before a window it wants to see."""
        return self.telapart.history_s

    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        self.telapart.fit(telemetry, tickets, window=span, workers=workers, progress=progress)

    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        return self.telapart._diagnose(polls, windows)
