"""The node agent: runs the pods of its node with crun and the CNI plugins of the distribution.

A client of the public API only. Pure: `environment`, `bundle` (pod to OCI runtime configuration), `volumes` (what is in
a volume), `status`, `probing` (when a probe's answers mean something), `logs` (the CRI log format). Around them: `images`,
`network`, `runtime`, `pod` (one pod's life), `node` (registration, lease), `server` (logs, exec, port-forward).
"""
