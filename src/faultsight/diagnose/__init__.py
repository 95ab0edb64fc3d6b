"""Diagnose: what kind of fault it is, and whose job."""

from faultsight.core.family import Family
from faultsight.diagnose.contract import (
    Diagnoser,
    Diagnosis,
    Group,
    NodeDiagnosis,
    Verdict,
)

__all__ = ["DIAGNOSERS", "Diagnoser", "Diagnosis", "Group", "NodeDiagnosis", "Verdict"]

DIAGNOSERS: Family[Diagnoser] = Family(
    kind="diagnoser",
    base=Diagnoser,
    packages=("faultsight.diagnose.peers",),
    modules=("faultsight.diagnose.telapart",),
    entry_point_group="faultsight.diagnosers",
)
"""Every diagnoser by name."""
