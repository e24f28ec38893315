"""What is run: the benchmarks as Inspect tasks, and where their prompts come from."""
