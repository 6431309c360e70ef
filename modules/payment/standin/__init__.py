"""The stand-in payment provider: a real HTTP server with a durable ledger, and faults on demand.

A program of its own (``python -m modules.payment.standin --port 8090 --state FILE``); the payment
module knows it only through ``modules.payment.providers.standin``. Standard library and
``standardwebhooks`` only.
"""
