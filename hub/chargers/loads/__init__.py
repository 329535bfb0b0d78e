"""Load management of the hub's own sites: the limits that hold, who gets how much below them, and what stations are told."""
