"""A bare django-oscar shop with oscarapi, set up to be fast."""
