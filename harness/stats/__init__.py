"""Statistics: intervals, comparisons, agreement, Bradley–Terry."""
