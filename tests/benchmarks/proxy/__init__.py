"""The front door beside other proxies: how fast it is, and what it lets through.

``python -m tests.benchmarks.proxy`` measures, ``python -m tests.benchmarks.proxy.probes`` sends
the same ill-formed requests to all of them.
"""
