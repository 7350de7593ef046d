"""What can go wrong with a database that is a program of its own, perhaps on another machine."""

from __future__ import annotations

from ...engine import Transient


class StoreUnreachableError(Transient):
    """The database can't be reached; nothing was changed."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"The database {place!r} can't be reached: {reason} Nothing was changed; it is tried again.")


class OutcomeUnknownError(Transient):
    """The connection broke while the changes were being committed. They were made wholly, or not at all.

    Look at the data before you do anything again that must happen once.
    """

    def __init__(self, place: str) -> None:
        super().__init__(
            f"The connection with the database {place!r} broke during a commit, and the database did not come back "
            "to say whether it happened."
        )
