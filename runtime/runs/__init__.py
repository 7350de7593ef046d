"""Runs: from a flow and its inputs to an end that is told."""
