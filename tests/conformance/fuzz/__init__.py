"""What random objects and random nonsense do to the hub: property tests over every route of the module table."""
