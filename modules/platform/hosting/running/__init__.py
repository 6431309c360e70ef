"""Running all of a host on one machine: what ``manage.py up`` does."""
