"""Tables in and out: Excel and CSV."""

from .delimited import ReadCSV
from .excel import ReadExcel

__all__ = ["ReadCSV", "ReadExcel"]
