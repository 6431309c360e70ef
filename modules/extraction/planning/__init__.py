"""What moving a module out would take, read from the live project; changes nothing."""
