"""Checks on records: which are in order, and which go where."""

from ...engine import PROBLEM_COLUMNS
from .filter import FilterRecords
from .rules import Kind, Rule
from .validate import ValidateRecords

__all__ = ["PROBLEM_COLUMNS", "FilterRecords", "Kind", "Rule", "ValidateRecords"]
