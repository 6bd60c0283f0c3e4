"""Domain-free parts: clock, backoff, shell, log."""
