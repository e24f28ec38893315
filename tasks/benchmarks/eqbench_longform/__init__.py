"""Long stories written in one go, on 12 of the 16 criteria of EQ-Bench LongForm."""
