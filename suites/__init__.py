"""Suites: one file each, one ability each."""
