"""Key pairs that sign tokens, kept in a directory, and the public keys of others.

Whoever signs owns a ``KeyRing``; whoever verifies what others have signed reads ``PublicKeys``.
"""

from modules.platform.keys.published import PublicKeys, jwk_set
from modules.platform.keys.ring import KeyInUse, KeyRing, NoSuchKey, SigningKey, ring_in

__all__ = [
    "KeyInUse",
    "KeyRing",
    "NoSuchKey",
    "PublicKeys",
    "SigningKey",
    "jwk_set",
    "ring_in",
]
