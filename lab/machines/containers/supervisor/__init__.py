"""The process at the root of a lab: it makes the switch, starts machines, restarts those that reboot, and obeys.

It imports nothing beyond the standard library and its own room, so that it starts in a moment and stays small.
"""
