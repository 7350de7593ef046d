"""OAuth 2.0: signing in at a provider, and tokens that are renewed before they expire."""

from .errors import SignInError, TokenServerError
from .providers import Provider, providers
from .settings import OAuth, SignIn
from .source import TokenSource
from .tokens import Token

__all__ = ["OAuth", "Provider", "SignIn", "SignInError", "Token", "TokenServerError", "TokenSource", "providers"]
