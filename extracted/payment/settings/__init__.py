"""Settings only assemble: each is one call; see modules/platform/hosting/settings."""
