"""From files to blocks, and from a book to its pieces."""
