"""Staff at work on pages that run elsewhere."""
