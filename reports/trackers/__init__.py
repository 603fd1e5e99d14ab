"""Scores of runs for experiment trackers, written to files: nothing is sent anywhere."""
