"""The show: two modules of a running shop moved through all phases under load."""
