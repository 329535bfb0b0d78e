"""Tests of hub/navigation."""
