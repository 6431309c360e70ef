"""Settings only assemble; what they are made of is in shop/env.py."""
