"""Presentation: numbers, grids, figures, pages."""
