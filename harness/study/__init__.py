"""The blinded human study: its page, its answers, its results."""
