"""One training run: checked, planned, trained, watched, shown."""
