"""The API server: HTTP in, objects of the store out.

connections.py     sockets, TLS and how long a client may take
server.py          a request, from authentication to its answer
dispatch.py        which function serves what
verbs/             one verb a function
registry.py        what is served, as data: builtin.py, and the store's CRDs
strategies.py      what is particular to a kind
bootstrap.py       what a new cluster has
"""
