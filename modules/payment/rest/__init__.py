"""Payment's part of the API."""
