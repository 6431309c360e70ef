"""Rate limits: of one proxy, or of all of them together through Redis."""
