"""Requests that do more than read or write one object: reviews, tokens, scale, and what pods can be asked for."""
