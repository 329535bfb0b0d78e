"""Clients of others that run in Node: what tests of any part of the hub need to drive them."""
