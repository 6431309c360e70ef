"""Standalone hosts as real processes, and the command that writes them."""
