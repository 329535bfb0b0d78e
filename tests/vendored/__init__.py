"""What the pages of the console load, from packages with a lock, copied once so that nobody else needs Node."""
