"""One training run: checks, plan, training, monitoring, plots."""
