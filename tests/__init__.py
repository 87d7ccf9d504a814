"""Tests of facegallery."""
