"""Samples as users have them, made into samples as the core wants them."""
