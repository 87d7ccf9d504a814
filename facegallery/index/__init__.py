"""The index proposes, the store decides: which templates may be nearest. A cache of the store's."""
