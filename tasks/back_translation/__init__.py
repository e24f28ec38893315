"""From a story to the prompt and the plan that it could have come from."""
