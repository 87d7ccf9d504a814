"""Why a face was decided as it was: what is computed, the sentences, and the pictures and pages that show it."""
