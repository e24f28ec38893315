"""EQ-Bench Creative Writing v3."""
