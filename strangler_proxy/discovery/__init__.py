"""Where the instances of an upstream are: written down, behind a name, registered."""
