"""The arena: pairwise comparisons of stories, and ratings computed from them."""
