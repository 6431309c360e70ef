"""Django's engine of the aliases: ``base`` is where Django looks for it."""
