"""OCPI 2.2.1 as values and declarations: no I/O, no database, no web framework."""
