"""Writes standalone hosts: ``manage.py scaffold_host MODULE`` makes ``extracted/<module>``."""
