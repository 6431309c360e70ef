"""What every host has in common: its environment, settings, addresses, processes and commands.

Hosts (``shop``, ``extracted.*``) are made of this; modules take ``variables`` and ``running``.
"""
