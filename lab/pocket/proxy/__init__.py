"""The service proxy of a node: Services and EndpointSlices become iptables rules in kube-proxy's layout.

A client of the public API only. From pure to impure: `model` (what a service port and an endpoint are), `parse` (API
objects to those), `select` (which endpoints get traffic), `chains` (one service port to rules), `rules` (all of them to
tables), `restore` (two rule sets to the text that turns one into the other); then `iptables`, `conntrack` and
`health`, which touch the node, and `run`, which connects them to the watches.
"""
