"""Built-in nodes, found by entry point: `pyproject.toml` names each with its class."""
