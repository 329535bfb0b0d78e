"""Commands that are more than a few lines; `hub/__main__.py` reads their options."""
