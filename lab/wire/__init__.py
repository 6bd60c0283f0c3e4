"""Protocols without I/O: bytes and now in; events, bytes and the next deadline out."""
