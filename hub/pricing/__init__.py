"""What a charge should have cost, to the cent, and why: values in, values out."""
