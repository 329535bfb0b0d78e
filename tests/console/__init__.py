"""The console over HTTP, as a browser without scripts uses it."""
