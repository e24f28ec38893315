"""Running and judging: what, with whom, at what price, and what is missing."""
