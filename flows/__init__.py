"""Example flows with their data: what the demo and the tests run."""
