"""What a machine writes while it runs, and a kept configuration must not carry to the next one: state, caches, identities, keys."""

from __future__ import annotations

from typing import Final

FORGET: Final = (
    "etc/cni/net.d",
    "etc/kubernetes/admin.conf",
    "etc/kubernetes/bootstrap-kubelet.conf",
    "etc/kubernetes/controller-manager.conf",
    "etc/kubernetes/join.yml",
    "etc/kubernetes/kube-proxy.conf",
    "etc/kubernetes/kubelet.conf",
    "etc/kubernetes/manifests",
    "etc/kubernetes/pki",
    "etc/kubernetes/scheduler.conf",
    "etc/kubernetes/super-admin.conf",
    "etc/machine-id",
    "home/vagrant/.kube",
    "root/.ansible",
    "root/.bash_history",
    "tmp",
    "var/cache",
    "var/lib/dbus",
    "var/lib/etcd",
    "var/lib/pocket",
    "var/lib/systemd",
    "var/lib/kubelet",
    "var/log",
    "var/tmp",
)
