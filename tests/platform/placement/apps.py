"""What a host that places installs, after its modules."""

APPS = (
    "modules.platform.discovery.apps.DiscoveryConfig",
    "modules.platform.placement.apps.PlacementConfig",
)
