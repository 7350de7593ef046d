"""Mail accounts: how mail leaves, in whose name, and how much of it."""

from .account import Account, InDoubt, Limits, Patience, Security, Timeouts, parse_account
from .keeping import Accounts, default_in
from .sendmail import Sendmail

__all__ = [
    "Account",
    "Accounts",
    "InDoubt",
    "Limits",
    "Patience",
    "Security",
    "Sendmail",
    "Timeouts",
    "default_in",
    "parse_account",
]
