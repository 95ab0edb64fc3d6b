"""DBSCAN in place of average linkage: what TelApart is compared with in its Table I and Figure 8.

Two modems are neighbours if they are at least as alike as the threshold, and five neighbours, the
modem itself among them, make a core (the paper does not tell; five is scikit-learn's default). Who
belongs to no cluster stands alone. The rest is the paper's mode: its features, similarities,
CableMon's anomalies, and the threshold of the highest maintenance ticketing rate ratio, here on a
grid 0.02 apart, for no dendrogram holds DBSCAN's clusters. The paper measures RI 0.84 and ARI 0.65,
and 0.91 and 0.83 with average linkage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from faultsight.diagnose.peers._paper_choice import PaperChoice

__all__ = ["DBSCAN"]


class DBSCAN(PaperChoice):
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

    choice: ClassVar[Mapping[str, Any]] = {"clustering": "dbscan"}
