"""The cluster's DNS: names of Services and pods, answered from two watches.

A client of the public API only. `zone` says what a name means, `server` listens, `run` connects both and tells the
cluster where it is. https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""
