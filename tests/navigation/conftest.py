"""Fixtures of the tests of navigation."""

from tests.npm.harness import node

__all__ = ["node"]
