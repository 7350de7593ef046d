"""S/MIME (RFC 8551): mails signed and encrypted."""

from .encrypt import Encrypted, EncryptSMIME
from .sign import SignSMIME

__all__ = ["EncryptSMIME", "Encrypted", "SignSMIME"]
