"""The store: one database for everything that must outlive the process."""

from .bulk import Bulk
from .schema import (
    accounts,
    budgets,
    certificates,
    chunks,
    failures,
    identities,
    journal,
    outbox,
    runs,
    secrets,
)
from .store import Store, insert_new

__all__ = [
    "Bulk",
    "Store",
    "accounts",
    "budgets",
    "certificates",
    "chunks",
    "failures",
    "identities",
    "insert_new",
    "journal",
    "outbox",
    "runs",
    "secrets",
]
