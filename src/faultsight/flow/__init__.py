"""The loop as a list of stages: from samples to alarms, incidents and whoever is told of them."""
