"""Audit of what a trained model has memorised."""
