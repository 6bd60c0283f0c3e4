"""The one room that speaks to a Kubernetes API."""
