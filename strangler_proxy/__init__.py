"""The front door: sends each request to the monolith or to the service that has the capability.

It stands alone: of the project it imports ``modules.platform.resilience`` and nothing else.
"""

from strangler_proxy.native import use_compiled

use_compiled()
