"""WritingBench, domain D4."""
