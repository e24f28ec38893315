"""EQ-Bench LongForm, adapted to stories written in one go, on the Story Quality prompts."""
