"""Choosing by validation: folds, searches, ensembles, and the course's other learners."""
