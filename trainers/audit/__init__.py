"""What a trained model has memorised."""
