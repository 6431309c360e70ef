"""One request on its way, and each detour it may take."""
