"""Turn logs and stories files into rows."""
