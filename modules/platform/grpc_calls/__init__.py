"""Calls between hosts over gRPC: another way to carry what ``modules.platform.rpc`` says.

A host that never names gRPC imports no grpcio: this file, ``apps``, ``settings`` and ``ways`` do
without. Callers take ``ways.way_to``; ``manage.py grpc_server`` is the other side.
"""

import os

# Read when grpc is imported. Without its handlers a fork hurts the parent's connections, too: both
# processes would wait on one epoll.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")
