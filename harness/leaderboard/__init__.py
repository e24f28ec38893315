"""Models beside one another, from the rows of logs."""
