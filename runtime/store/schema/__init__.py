"""The tables. A change here needs a migration in `runtime/migrations/versions` (a test compares the two)."""

from .columns import Instant, metadata
from .mails import budgets, outbox
from .members import leases, members, writers
from .parties import accounts, certificates, identities, secrets
from .people import audit, people, tokens
from .runs import chunks, failures, runs, waits
from .signins import signins
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
    "leases",
    "members",
    "metadata",
    "outbox",
    "people",
    "runs",
    "secrets",
    "signins",
    "tokens",
    "triggers",
    "waits",
    "writers",
]
