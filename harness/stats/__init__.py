"""Numbers only: intervals, comparisons, agreement, Bradley–Terry."""
