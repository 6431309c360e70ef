"""Sources that need no thread: written down, and several taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modules.platform.discovery.instances import Instance, Role, Source, address_of


class StaticSource:
    """Instances that the settings name: ``{"payment": ["http://10.0.0.7:8101"]}``."""

    def __init__(
        self,
        urls: Mapping[str, Sequence[str]],
        *,
        role: Role = Role.OWN,
        capacity: int = 8,
    ) -> None:
        """Raises ValueError naming a url that leads nowhere."""
        self._known = {
            module: tuple(
                Instance(
                    id=f"{module}@{address_of(url)}",
                    module=module,
                    url=url.rstrip("/"),
                    role=role,
                    capacity=capacity,
                )
                for url in some
            )
            for module, some in urls.items()
        }

    def instances(self, module: str) -> tuple[Instance, ...]:
        """Always the same."""
        return self._known.get(module, ())


class OfRole:
    """Those of a source that are bound to one database: the origin's, or the service's own."""

    def __init__(self, source: Source, role: Role) -> None:
        self._source = source
        self._role = role

    def instances(self, module: str) -> tuple[Instance, ...]:
        """The source's, the others left out."""
        return tuple(one for one in self._source.instances(module) if one.role == self._role)


class Combined:
    """Several sources; of each module, what the first says that knows any instance of it.

    So what stands first goes before: settings before the registry pin a module to an address,
    behind it they are the last resort.
    """

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    def instances(self, module: str) -> tuple[Instance, ...]:
        """Those of the first source that has any."""
        for source in self._sources:
            if found := source.instances(module):
                return found
        return ()
