"""Take money for orders, and give it back."""
