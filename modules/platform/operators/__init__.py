"""Operators of a host without accounts: known by signed tokens, without passwords."""
