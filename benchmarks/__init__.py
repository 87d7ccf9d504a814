"""Measurements against named peers, each a script of its own."""
