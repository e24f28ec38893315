"""Text analysis: find reasoning, the length a prompt asks for, the style of a story, and what two texts share."""
