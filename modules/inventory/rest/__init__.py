"""Inventory over HTTP."""
