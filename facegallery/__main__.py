"""Start of the command ``facegallery`` and of ``python -m facegallery``."""

from __future__ import annotations

from facegallery.cli.app import main

if __name__ == "__main__":
    main()
