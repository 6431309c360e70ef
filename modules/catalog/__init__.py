"""Describe and price what is for sale."""
