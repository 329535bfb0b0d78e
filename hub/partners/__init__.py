"""Who is connected to the hub, and every call that leaves it."""
