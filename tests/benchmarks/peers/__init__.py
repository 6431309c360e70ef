"""The shops that ours is measured against; each runs in an environment of its own."""
