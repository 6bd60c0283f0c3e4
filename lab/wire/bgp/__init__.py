"""BGP-4 (RFC 4271) without I/O."""
