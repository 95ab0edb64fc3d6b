"""The detectors that AnoTuner is compared with, one a file, behind the same contract."""
