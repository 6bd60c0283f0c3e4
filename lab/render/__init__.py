"""Pure text from the topology."""
