"""Logs, request ids, probes and metrics: what every host shows of itself."""
