"""Run and judge benchmarks, estimate their cost, and check what is missing."""
