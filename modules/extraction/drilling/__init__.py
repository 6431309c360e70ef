"""Rehearses cutover and rollback on a copy, with processes killed and stopped in between."""
