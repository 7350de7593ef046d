"""Passwords: argon2id, as RFC 9106 recommends it where memory is limited."""

from __future__ import annotations

import asyncio
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from ...engine import ConfigError

SHORTEST = 12
"""Characters; NIST SP 800-63B-4 asks for 15 where a password is all there is, and for no rules on its signs."""
LONGEST = 256
AT_ONCE = 2
"""Hashes at once: each takes 64 MiB, and a flood of logins must not take all there is."""

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_slots = threading.BoundedSemaphore(AT_ONCE)
NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$yMsmw9ZJ4NAoiJ2FSyEqOg$mhxhVj93fDQ97jKu51dKi5Uv2To65rdTwO0dO5RrQ1s"
"""Verified for a name that nobody has, so that both take as long."""


async def hashed(password: str) -> str:
    """What is kept of a password.

    Raises:
        ConfigError: it is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigError(
            f"The password has {len(password):,} characters; {SHORTEST} to {LONGEST} are expected. "
            "A few words that nobody would put together are a good one.",
            field="password",
        )
    return await asyncio.to_thread(_hash, password)


async def is_right(kept: str | None, password: str) -> bool:
    """Whether this is the password; takes as long when none is kept."""
    if len(password) > LONGEST:
        return False
    matches = await asyncio.to_thread(_verify, kept or NOBODYS, password)
    return matches and kept is not None


def is_outdated(kept: str) -> bool:
    """Whether it was hashed with less effort than is usual now."""
    return _hasher.check_needs_rehash(kept)


def _hash(password: str) -> str:
    with _slots:
        return _hasher.hash(password)


def _verify(kept: str, password: str) -> bool:
    with _slots:
        try:
            return _hasher.verify(kept, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
