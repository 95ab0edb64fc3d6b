"""FaultSight sees faults in an Internet provider's network.

It detects that a network element misbehaves, localizes where the trouble sits, diagnoses what
kind of fault it is, and learns from what operators answer.

Importing the package is cheap: each pillar is imported when it is first needed.

Examples
--------
>>> import faultsight
>>> faultsight.__version__.count(".")
2
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
