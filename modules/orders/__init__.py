"""Sell: turn a cart into an order and see it through."""
