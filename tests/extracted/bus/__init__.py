"""Two hosts that share nothing but the broker: the shop with orders, and payment's own."""
