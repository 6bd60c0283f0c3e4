"""The controllers of the embedded Kubernetes: what kube-controller-manager and kube-scheduler do, in one process.

A client of the public API only. Each controller is a pure function from what the watches have shown (`cache`) and the
time to a list of writes (`writes`); `loop` calls it whenever something that it looks at has changed.
"""
