"""Know what is in stock and promise nothing twice."""
