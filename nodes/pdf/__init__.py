"""Nodes that make and lock PDF documents."""
