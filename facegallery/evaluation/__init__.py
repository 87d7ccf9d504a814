"""Protocols over a folder of photos that end in a report: how far what the program says can be trusted."""
