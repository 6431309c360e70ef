"""Measures the shop beside named peers and ceilings of the same run: ``make bench``."""
