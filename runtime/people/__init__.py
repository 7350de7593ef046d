"""People and programs that use a workspace: who they are, what they may do, and what they did."""

from .audit import Audit, Deed, Entry
from .people import LOGIN, People, Person
from .roles import Role, lesser
from .throttle import Throttle
from .tokens import Bearer, Issued, Token, Tokens

__all__ = [
    "LOGIN",
    "Audit",
    "Bearer",
    "Deed",
    "Entry",
    "Issued",
    "People",
    "Person",
    "Role",
    "Throttle",
    "Token",
    "Tokens",
    "lesser",
]
