"""Compare models, from the rows of logs."""
