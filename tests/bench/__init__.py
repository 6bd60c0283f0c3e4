"""Measurements of every figure that the documentation names. `make bench` runs them; none of them asserts."""
