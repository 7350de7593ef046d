"""Triggers: what starts runs: by hand, on a calendar, when a file arrives, when somebody calls a secret URL."""
