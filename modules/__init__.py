"""The shop's bounded modules and the platform under them."""
