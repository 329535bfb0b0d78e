"""What the hub costs, measured from outside beside the obvious design and beside the limit: `python3 dev.py bench`.

Nothing here is a timed assertion; `test_harness.py` holds the parts to their word.
"""
