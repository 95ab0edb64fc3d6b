"""Resampling in place of alignment: what TelApart is compared with in its Table II and Figure 9.

Each modem's levels are interpolated linearly onto one grid of the poll interval (four hours in the
paper), where all have the same moments and nothing is missing. The rest is the paper's mode: its
features, Pearson's correlation, average linkage, CableMon's anomalies, and the threshold of the
highest maintenance ticketing rate ratio. Misses are those of the polls as they came: a feature that
interpolation would remove. The paper measures RI 0.74 and ARI 0.35, and 0.91 and 0.83 with its
alignment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import Diagnoser, NodeDiagnosis, Progress
from faultsight.diagnose.peers._paper_choice import PaperChoiceConfig
from faultsight.diagnose.telapart import TelApart

__all__ = ["Resampling"]


class Resampling(Diagnoser):
    """TelApart as published, but with resampled levels.

    Parameters
    ----------
    config : PaperChoiceConfig, optional
        Settings.

    Attributes
    ----------
    telapart : TelApart
        What does the work.

    Examples
    --------
    >>> diagnoser = Resampling()
    >>> diagnoser.name, diagnoser.telapart.config.is_resampled
    ('resampling', True)
    """

    excused: ClassVar[Mapping[str, str]] = {
        "check_names_change_nothing": "six slots leave seven similarities of misses, so that most "
        "merges are tied, and ties are broken by name"
    }

    def __init__(self, config: PaperChoiceConfig | None = None) -> None:
        self.config: PaperChoiceConfig = config or PaperChoiceConfig()
        self.telapart = TelApart(self.config.telapart(is_resampled=True))
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
