"""A complete Kubernetes load-balancer homelab from one file and one command."""
