"""The interface to lm-eval: its YAML files, and the functions that they name."""
