"""The standalone host of payment: composes that module alone. No business code."""
