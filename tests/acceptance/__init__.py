"""Acceptance: the program as people run it, a command line in a process of its own, against real local servers."""
