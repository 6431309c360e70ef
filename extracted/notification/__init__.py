"""The standalone host of notification: composes that module alone. No business code."""
