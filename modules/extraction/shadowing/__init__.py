"""Reads and commands asked of both sides while the monolith answers, and how they differ."""
