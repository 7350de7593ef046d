"""What people may do: each role may do all that the one before it may."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A person's or a token's rights, from the least to the most."""

    VIEWER = "viewer"
    """Sees flows, runs and the states of mails."""
    OPERATOR = "operator"
    """Starts and stops runs, settles mails, uploads lists, and reads what mails say."""
    EDITOR = "editor"
    """Changes flows."""
    ADMIN = "admin"
    """Changes accounts, identities and people."""

    @property
    def rank(self) -> int:
        return tuple(Role).index(self)

    def covers(self, needed: Role) -> bool:
        """Whether whoever has this role may do what needs the other."""
        return self.rank >= needed.rank


def lesser(one: Role, other: Role) -> Role:
    """What two roles both allow."""
    return min(one, other, key=lambda role: role.rank)
