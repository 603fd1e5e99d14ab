"""Blind labels: what people see in a run's clips, and how far the automatic readers agree with them."""

from reports.label.agree import agreement

__all__ = ["agreement"]
