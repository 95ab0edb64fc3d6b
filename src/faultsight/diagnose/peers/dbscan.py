"""DBSCAN in place of average linkage: what TelApart is compared with in its Table I and Figure 8.

Two modems are neighbours if they are at least as alike as the threshold, and five neighbours, the
modem itself among them, make a core (the paper does not tell; five is scikit-learn's default). Who
belongs to no cluster stands alone. The rest is the paper's mode: its features, similarities,
CableMon's anomalies, and the threshold of the highest maintenance ticketing rate ratio, here on a
grid 0.02 apart, for no dendrogram holds DBSCAN's clusters. The paper measures RI 0.84 and ARI 0.65,
and 0.91 and 0.83 with average linkage.
"""

from __future__ import annotations

from collections.abc import Sequence

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import Diagnoser, NodeDiagnosis, Progress
from faultsight.diagnose.peers._paper_choice import PaperChoiceConfig
from faultsight.diagnose.telapart import TelApart

__all__ = ["DBSCAN"]


class DBSCAN(Diagnoser):
    """TelApart as published, but with DBSCAN.

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
    >>> diagnoser = DBSCAN()
    >>> diagnoser.name, diagnoser.telapart.config.clustering
    ('dbscan', 'dbscan')
    """

    def __init__(self, config: PaperChoiceConfig | None = None) -> None:
        self.config: PaperChoiceConfig = config or PaperChoiceConfig()
        self.telapart = TelApart(self.config.telapart(clustering="dbscan"))
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
