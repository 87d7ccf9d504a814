"""Embedding models: which there are, which are on this machine, and how their files get here."""
