"""Derived seeds: every random choice of a search follows from one master seed and its own name.

Only the derivation lives here; seeds travel explicitly from here to where they are used.
"""

from __future__ import annotations

import hashlib


def derive_seed(master: int, *labels: str | int) -> int:
    """Return a seed in [0, 2**31) that depends on the master seed and every label.

    Independent of process, platform and of how many seeds were drawn before.
    """
    text = "/".join(["sie-seed-1", str(master), *(str(label) for label in labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
