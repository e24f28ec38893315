"""How stories are judged, run, measured and reported."""
