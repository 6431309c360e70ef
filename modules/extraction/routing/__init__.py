"""How a change of authority becomes the way of requests, calls and events."""
