"""Telemetry as cubes: what is watched as a whole, and where an incident is localized."""
