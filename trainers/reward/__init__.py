"""The training reward of a batch: its terms, judged, measured and added up, and the record of it."""
