"""The routing document: read from YAML or JSON, checked as a whole, remembered on disk."""
