"""Published reference numbers, and the default place for generated leaderboards."""
