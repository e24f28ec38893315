"""From books to training pairs: read, split into stories, filter, and write with prompts as Parquet."""
