"""What a Kubernetes API promises, asked of any cluster.

The suite takes a kubeconfig and nothing else: `pytest tests/contract --kubeconfig FILE`. Without one it starts a pocket
server. What a real cluster answers wins every argument, so nothing here may be particular to one of the two.
"""
