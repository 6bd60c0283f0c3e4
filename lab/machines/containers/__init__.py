"""Machine containers: systemd-nspawn machines over a shared Debian base, switched inside one network namespace.

A lab is one process tree. Its root, the supervisor, lives in its own mount, network, PID, IPC and UTS namespaces:
that network namespace is the switch, so the host's network is never touched, and killing the supervisor ends
everything. Nothing but cgroup directories can outlive it.
"""
