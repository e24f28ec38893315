"""Story Quality: the rubric of POLARIS on its prompts."""
