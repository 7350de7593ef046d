"""What goes wrong with tokens, by who must act."""

from __future__ import annotations

from ...engine import Refused, Transient

AGAIN = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})
"""The sign-in no longer counts: revoked, expired, password changed (RFC 6749, 5.2; OpenID Connect Core, 3.1.2.6)."""
CLIENT = frozenset({"invalid_client", "unauthorized_client"})


class SignInError(Refused):
    """There is no token to be had until a person acts."""


class TokenServerError(Transient):
    """The token server can't be reached, or answers what is no answer."""


class TokenRefusedError(Exception):
    """The token server said no.

    Attributes:
        error: its code (RFC 6749, 5.2; RFC 8628, 3.5).
        words: what it said beside, in one line.
    """

    def __init__(self, error: str, words: str) -> None:
        super().__init__(error, words)
        self.error = error
        self.words = words

    @property
    def is_final(self) -> bool:
        """Asking again with the same sign-in leads nowhere."""
        return self.error in AGAIN

    def told(self, account: str) -> str:
        """For a person, with what to do."""
        said = f"{self.error}: {self.words}" if self.words else self.error
        if self.error in CLIENT:
            remedy = "Check the client id and secret (secrets of applications expire), and add the account again."
        elif self.error == "invalid_scope":
            remedy = "Give the application the right to send mail, and let an administrator consent."
        else:
            remedy = f"Sign in again: postwerk account sign-in {account}"
        return f"The token server refused the sign-in of account {account!r} ({said.rstrip('.')}). {remedy}"
