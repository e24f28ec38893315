"""LongBench-Write."""
