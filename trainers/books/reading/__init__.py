"""Read files into blocks, and cut a book into pieces."""
