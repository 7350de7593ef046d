"""Built-in nodes, found by entry point."""
