"""The console in a real browser: what people do there, and what every page has to keep."""
