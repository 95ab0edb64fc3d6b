"""Values and small tools that every part of FaultSight speaks in.

Only numpy and polars live here: no networks, no sockets, no models.
"""
