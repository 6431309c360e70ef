"""Technical, domain-free plumbing; every part is named for what it is."""
