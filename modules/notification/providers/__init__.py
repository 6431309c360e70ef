"""The ways out: SMTP, an SMS gateway, webhooks. Each takes a message and tells its fate."""
