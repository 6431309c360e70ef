"""Whether the service does its share of the work as well as the monolith does the rest."""
