"""The host: one process that takes runs forward, does chunks, delivers mails and lets triggers fire."""

from .host import Host

__all__ = ["Host"]
