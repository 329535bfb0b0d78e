"""What comes in over HTTP: OCPI from partners, and the operator's own interface."""
