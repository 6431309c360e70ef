"""Copies of requests for another upstream, and the recorded pairs of what was answered."""
