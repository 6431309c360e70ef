"""Payment's own host beside the monolith, called over gRPC: real processes on the same data."""
