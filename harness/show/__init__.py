"""How anything is shown: numbers, grids, figures, pages."""
