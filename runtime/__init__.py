"""The runtime: does what the engine says."""
