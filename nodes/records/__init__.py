"""Checks on records: which are in order, and which go where."""
