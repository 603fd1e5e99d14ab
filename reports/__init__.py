"""Aggregation, tables and pages. Reads files only; never imports torch."""
