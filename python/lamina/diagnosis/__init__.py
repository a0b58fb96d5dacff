"""What may be wrong with a network or its data, in figures and words."""

from lamina.diagnosis.findings import Diagnosis, Finding, LayerReport, diagnose

__all__ = ["Diagnosis", "Finding", "LayerReport", "diagnose"]
