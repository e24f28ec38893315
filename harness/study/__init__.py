"""The blinded human study: page, answers and results."""
