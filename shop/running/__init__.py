"""Running all of the shop on one machine: what ``manage.py up`` does."""
