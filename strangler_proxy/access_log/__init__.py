"""One JSON line for each request, written a few milliseconds after it."""
