"""The gallery: enrollment, identification, verification and explanation over one folder."""
