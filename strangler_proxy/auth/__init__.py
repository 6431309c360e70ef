"""Who asks: access tokens verified against published keys, and remembered."""
