"""The outbox: every outgoing mail with its state, and the loop that sends them. Nothing else sends."""

from .dialogue import Reply
from .mail import Mail, NewMail
from .states import ARRIVED, FINAL, MOVING, MailState

__all__ = ["ARRIVED", "FINAL", "MOVING", "Mail", "MailState", "NewMail", "Reply"]
