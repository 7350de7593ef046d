"""The outbox: every outgoing mail with its state, and the loop that sends them. Nothing else sends."""

from .mail import Answer, Mail, NewMail
from .states import ARRIVED, FINAL, MOVING, MailState

__all__ = ["ARRIVED", "FINAL", "MOVING", "Answer", "Mail", "MailState", "NewMail"]
