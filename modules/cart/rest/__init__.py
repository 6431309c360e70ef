"""Cart's part of the API."""
