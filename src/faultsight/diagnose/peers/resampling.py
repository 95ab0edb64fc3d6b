"""Resampling in place of alignment: what TelApart is compared with in its Table II and Figure 9.

Each modem's levels are interpolated linearly onto one grid of the poll interval (four hours in the
paper), where all have the same moments and nothing is missing. The rest is the paper's mode: its
features, Pearson's correlation, average linkage, CableMon's anomalies, and the threshold of the
highest maintenance ticketing rate ratio. Misses are those of the polls as they came: a feature that
interpolation would remove. The paper measures RI 0.74 and ARI 0.35, and 0.91 and 0.83 with its
alignment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from faultsight.diagnose.peers._paper_choice import PaperChoice

__all__ = ["Resampling"]


class Resampling(PaperChoice):
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

    choice: ClassVar[Mapping[str, Any]] = {"is_resampled": True}
