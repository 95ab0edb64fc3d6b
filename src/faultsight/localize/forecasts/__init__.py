"""Forecasts made by us where a file holds history only; from past data, never from later.

>>> FORECASTERS.names()
['holt_winters', 'moving_average', 'seasonal_naive']
"""

from __future__ import annotations

from faultsight.core.family import Family
from faultsight.localize.forecasts._contract import Forecaster

__all__ = ["FORECASTERS", "Forecaster"]

FORECASTERS: Family[Forecaster] = Family(
    kind="forecaster",
    base=Forecaster,
    packages=("faultsight.localize.forecasts",),
)
"""Every forecaster by name."""
