"""Figures and tables for a paper: each from the files of runs, with the numbers that it draws beside it."""
