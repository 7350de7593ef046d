"""Nodes that make and lock PDF documents."""

from .encrypt_pdf import EncryptPDF
from .fill_pdf import FillPDF

__all__ = ["EncryptPDF", "FillPDF"]
