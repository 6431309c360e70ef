"""What a route changes on the way in and on the way out."""
