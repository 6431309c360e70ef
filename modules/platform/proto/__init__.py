"""Contracts as proto3: read from the code, numbered for ever, written as text, held to it.

Needs the standard library only; messages are made of it by ``modules.platform.grpc_calls``.
"""

from modules.platform.proto.errors import NoProto, ProtoError, ProtoMissing, ProtoStale

__all__ = ["NoProto", "ProtoError", "ProtoMissing", "ProtoStale"]
