"""The arena: which of two stories is better, and ratings from many such answers."""
