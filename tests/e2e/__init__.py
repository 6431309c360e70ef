"""The real processes of the shop, driven from outside."""
