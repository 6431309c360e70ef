"""Pairs of a Python server and a Python client, each as small as it can be. They keep bodies whole
in memory, which is faster than streaming them and more than a proxy may do."""
