"""The embedded Kubernetes: the API for the kinds that the lab needs, and its clients."""
