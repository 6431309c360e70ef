"""Tell people what happened, once."""
