"""Figures of merit of a diagnosis."""
