"""Clusterings of the modems of a fiber node."""
