"""Know who shops and who runs the shop."""
