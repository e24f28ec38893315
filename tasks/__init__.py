"""Inspect tasks for the benchmarks, and the sources of their prompts."""
