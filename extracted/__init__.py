"""Standalone hosts, one module each; ``manage.py scaffold_host`` writes them."""
