"""Parts from the monolith's copy of a module for good: archived first, then dropped."""
