"""The rules of orders: states, amounts, numbers. Pure; no Django."""
