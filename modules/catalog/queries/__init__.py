"""Reads of the catalogue that return contract types or rows made for rendering."""
