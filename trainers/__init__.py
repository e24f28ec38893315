"""Training on the evaluation's own scorers."""
