"""Which Service gets which address: a pure function of the pools, and of what was asked for and in which order.

The rules are MetalLB's, with two differences: pools of equal priority are taken in the order of their names, not at
random, and counts never overflow. Nothing here waits, logs or talks to an API.
"""

from lab.balancer.allocator.allocator import AllocationError, Allocator, Assignment, Counts, Refusal

__all__ = ["AllocationError", "Allocator", "Assignment", "Counts", "Refusal"]
