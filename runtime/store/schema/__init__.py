"""The tables. A change here needs a migration in `runtime/migrations/versions` (a test compares the two)."""

from .columns import Instant, metadata
from .mails import budgets, outbox
from .parties import accounts, certificates, identities, secrets
from .people import audit, people, starts, tokens
from .runs import chunks, failures, journal, runs
from .triggers import firings, triggers

__all__ = [
    "Instant",
    "accounts",
    "audit",
    "budgets",
    "certificates",
    "chunks",
    "failures",
    "firings",
    "identities",
    "journal",
    "metadata",
    "outbox",
    "people",
    "runs",
    "secrets",
    "starts",
    "tokens",
    "triggers",
]
