"""From logs and stories files to rows."""
