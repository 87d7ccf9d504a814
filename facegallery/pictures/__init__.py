"""Pictures for a person: faces on a photo, maps on a crop, panels that explain. Pillow only; domain values come in."""
