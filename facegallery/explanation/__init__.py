"""Maps of what drove an embedding or a similarity: one method a file, all behind ``method.ExplanationMethod``."""
