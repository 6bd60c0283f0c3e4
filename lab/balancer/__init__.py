"""The load balancer: addresses for Services, announced to routers. A guest on any cluster."""
