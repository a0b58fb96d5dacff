"""Estimators for tables as they are: data frames with numbers, text, dates and missing values."""
