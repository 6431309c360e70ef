"""All phases of an extraction in one command, each with its own guards and its own record."""
