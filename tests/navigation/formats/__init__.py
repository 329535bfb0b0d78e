"""Tests of hub/navigation/formats."""
