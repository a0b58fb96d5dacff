"""Checking gradients, by its public name."""

from lamina.diagnosis.gradients import check_gradients

__all__ = ["check_gradients"]
