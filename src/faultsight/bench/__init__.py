"""Benchmarks: scenarios with permanent ids, their results, and how two results differ."""
