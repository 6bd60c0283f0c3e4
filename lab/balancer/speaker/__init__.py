"""Announces addresses from one node."""
