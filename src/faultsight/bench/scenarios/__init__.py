"""The scenarios, one file each: ``localize_accuracy.py`` has the id ``localize/accuracy``."""
