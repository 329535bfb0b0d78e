"""Charge points that are joined to the hub directly, over OCPP; the hub is their CPO."""
