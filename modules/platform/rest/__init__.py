"""The edge: HTTP to contract types and back. A view parses, calls its service and renders."""
