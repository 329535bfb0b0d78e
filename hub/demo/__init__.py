"""Partners to play with: real OCPI platforms over HTTP, built from the same module table as the hub."""
