"""Single in place of average linkage: what TelApart is compared with in its Table I and Figure 8.

Two clusters are as alike as their two most similar modems, so that clusters grow as chains. The
rest is the paper's mode: its features, similarities, CableMon's anomalies, and the threshold of the
highest maintenance ticketing rate ratio. The paper measures RI 0.83 and ARI 0.64, and 0.91 and 0.83
with average linkage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from faultsight.diagnose.peers._paper_choice import PaperChoice

__all__ = ["SingleLinkage"]


class SingleLinkage(PaperChoice):
    """TelApart as published, but with single linkage.

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
    >>> diagnoser = SingleLinkage()
    >>> diagnoser.name, diagnoser.telapart.config.clustering
    ('single_linkage', 'single')
    """

    choice: ClassVar[Mapping[str, Any]] = {"clustering": "single"}
