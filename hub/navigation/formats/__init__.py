"""Open formats: what is public, as others want to read it. Pure functions from PublicLocations to values and bytes."""
