"""Catalog's part of the API."""
