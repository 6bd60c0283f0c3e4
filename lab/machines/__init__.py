"""How a machine exists: one small port, and the providers behind it."""
