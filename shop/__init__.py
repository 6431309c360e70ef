"""The monolith host: composes the modules into one process. No business code."""
