"""Gives addresses to Services: `python -m lab.balancer controller`.

`request` reads what a Service asks for, `converge` decides (pure), `reconciler` writes decisions to the API, and
`configuration` keeps the last good pools. One controller works, the others stand by with warm caches.
"""
