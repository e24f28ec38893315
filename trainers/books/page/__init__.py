"""The review of a build as a page."""
