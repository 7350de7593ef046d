"""The API of a workspace: `/api/v1`, health, readiness and metrics."""

from .app import create_app
from .engine import Engine, Order, Version

__all__ = ["Engine", "Order", "Version", "create_app"]
