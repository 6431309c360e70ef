"""Get orders to people."""
