"""Where each module's work is done while the monolith has its data: here, there, or divided."""
