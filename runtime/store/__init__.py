"""The store: one database for everything that must outlive the process."""

from .bells import ring
from .bulk import Bulk
from .errors import OutcomeUnknownError, StoreUnreachableError
from .schema import (
    accounts,
    budgets,
    certificates,
    chunks,
    failures,
    identities,
    leases,
    members,
    outbox,
    runs,
    secrets,
    signins,
    waits,
)
from .store import Store, hold, insert_new, portions

__all__ = [
    "Bulk",
    "OutcomeUnknownError",
    "Store",
    "StoreUnreachableError",
    "accounts",
    "budgets",
    "certificates",
    "chunks",
    "failures",
    "hold",
    "identities",
    "insert_new",
    "leases",
    "members",
    "outbox",
    "portions",
    "ring",
    "runs",
    "secrets",
    "signins",
    "waits",
]
