"""The roles of kubeadm on machine containers, with stand-ins for every program of Kubernetes and for containerd.

What is tested is what the roles ask for, in which order and with which arguments and files. That real programs do what
they are asked is not: that takes a bundle of real ones, on machines that can run a kubelet.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from lab.actions.configure import environment, write_connections
from lab.actions.machines import CreateMachines, PrepareBase
from lab.actions.steps import Context, perform
from lab.cli.session import open_lab
from lab.errors import ProvisionError
from lab.kits.shell import run
from lab.machines.family import CHECKOUT
from lab.provision import playbook
from lab.provision.playbook import PlayResult
from lab.topology.model import MachineName
from tests.roles import bundles

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="not run: needs root to make machine containers"),
    # The lab's supervisor is meant to outlive the process that started it, which is usually `lab up`.
    pytest.mark.filterwarnings("ignore:.*Popen.__del__:pytest.PytestUnraisableExceptionWarning"),
]
OLD, NEW = "1.37.2", "1.38.0"
NODES = ("k8s-master", "k8s-worker1", "k8s-worker2")
OF_THIS_HOST: dict[str, object] = {"kubelet_host_modules": [], "kubelet_host_sysctl": {}}
"""The kernel's part is this host's, which need not have br_netfilter."""


@dataclass
class Rig:
    """A lab of machine containers, and the playbooks on it."""

    directory: Path
    context: Context = field(init=False)

    def __post_init__(self) -> None:
        inventory = self.directory / "inventory"
        inventory.mkdir()
        for name in ("group_vars", "topology.yml"):
            (inventory / name).symlink_to(CHECKOUT / "inventory" / name)
        (inventory / "this_host.yml").write_text(yaml.safe_dump({"all": {"vars": OF_THIS_HOST}}))
        self.write(version=OLD)
        self.context = open_lab(self.directory / "lab.yml", quiet=True, provider="containers")

    def write(self, *, version: str, proxy_mode: str = "iptables") -> None:
        content = yaml.safe_load((CHECKOUT / "labs/kubeadm.yml").read_text())
        content["name"] = f"kubeadm{os.getpid()}"
        content["kubernetes"] |= {"version": version, "proxy_mode": proxy_mode}
        (self.directory / "lab.yml").write_text(yaml.safe_dump(content, sort_keys=False))
        self.bundle = bundles.write(self.directory / "bundles", version)

    def play(self, name: str = "site.yml", *, check: bool = False, **changes: str) -> PlayResult:
        return playbook.run(
            CHECKOUT / name,
            inventory=self.directory / "inventory",
            log=self.directory / f"{name}.log",
            check=check,
            environment=environment(self.context) | self.bundle | changes,
        )

    def on(self, machine: str, script: str) -> str:
        enter = self.context.provider.enter(
            MachineName(machine), ["sh", "-c", script], user="root", terminal=False
        )
        return run(enter)

    def calls(self, machine: str) -> list[str]:
        """Return what the stand-ins on the machine were asked since the last time, without questions."""
        text = self.on(machine, "cat /var/lib/stand-in/calls; : >/var/lib/stand-in/calls")
        text = re.sub(r"(?m)^(kubeadm token delete) \S+$", r"\1 TOKEN", text)
        return [line for line in text.splitlines() if not re.search(QUESTIONS, line)]


KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
QUESTIONS = r"^(kubeadm (version|config)|containerd|kubectl \S+ (get|kustomize|wait --for=condition)|kubectl kustomize)"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two workers, not configured."""
    rig = Rig(tmp_path_factory.mktemp("kubeadm"))
    try:
        perform([PrepareBase(), CreateMachines()], rig.context)
        write_connections(rig.context)
        yield rig
    finally:
        rig.context.provider.destroy()


@pytest.fixture(scope="module")
def formed(rig: Rig) -> Rig:
    """The same with a cluster, formed by one run of site.yml."""
    rig.play()
    return rig


def test_a_bundle_that_is_not_what_the_lock_says_is_refused_before_a_machine_is_touched(rig: Rig) -> None:
    kubelet, flannel = (
        Path(rig.bundle["LAB_ARTEFACTS"]) / path for path in ("bin/kubelet", "manifests/flannel.yaml")
    )
    content = kubelet.read_text(), flannel.read_text()
    kubelet.write_text("another\n")
    flannel.unlink()
    with pytest.raises(ProvisionError, match=r"manifests/flannel.yaml is missing, bin/kubelet is another"):
        rig.play()
    kubelet.write_text(content[0])
    flannel.write_text(content[1])


def test_a_lock_without_kubernetes_is_refused(rig: Rig, tmp_path: Path) -> None:
    empty = tmp_path / "lab.lock"
    empty.write_text('{"version": 1, "artefacts": []}')
    with pytest.raises(ProvisionError, match=r"lacks manifests/flannel.yaml"):
        rig.play(LAB_LOCK=str(empty))


def test_a_dry_run_passes_on_bare_machines(rig: Rig) -> None:
    rig.play(check=True)
    traces = "/usr/local/bin/kubeadm /usr/local/bin/containerd /etc/containerd /etc/kubernetes"
    assert rig.on("k8s-master", f"ls -d {traces} 2>/dev/null || true") == ""


def test_the_control_plane_is_made_in_order(formed: Rig) -> None:
    assert formed.calls("k8s-master") == [
        "ctr --namespace k8s.io images import /var/lib/lab/images/lab-balancer.tar",
        "ctr --namespace k8s.io images import /var/lib/lab/images/pause.tar",
        "kubeadm init --config /etc/kubernetes/kubeadm.yml --skip-token-print",
        f"{KUBECTL} apply --kustomize /etc/kubernetes/pod-network",
        *2 * ["kubeadm token create --ttl 10m --print-join-command"],
        *2 * ["kubeadm token delete TOKEN"],
    ]


@pytest.mark.parametrize("worker", NODES[1:])
def test_a_worker_joins_once_with_a_file(formed: Rig, worker: str) -> None:
    assert formed.calls(worker)[2:] == ["kubeadm join --config /etc/kubernetes/join.yml"]


def test_every_worker_had_a_token_of_its_own_and_verified_the_authority(formed: Rig) -> None:
    files = [yaml.safe_load(formed.on(name, "cat /var/lib/stand-in/join.yml")) for name in NODES[1:]]
    found = [file["discovery"]["bootstrapToken"] for file in files]
    assert len({discovery["token"] for discovery in found}) == len(NODES[1:])
    assert [discovery["caCertHashes"] for discovery in found] == 2 * [["sha256:" + "7".zfill(64)]]
    assert [file["nodeRegistration"]["kubeletExtraArgs"] for file in files] == [
        [{"name": "node-ip", "value": address}] for address in ("10.0.0.51", "10.0.0.52")
    ]


def test_no_token_is_left(formed: Rig) -> None:
    assert formed.on("k8s-master", "ls /var/lib/stand-in/tokens") == ""
    assert all(
        formed.on(name, "ls /etc/kubernetes/join.yml 2>&1 || true").endswith("directory\n") for name in NODES
    )


def test_the_image_that_kubeadm_names_holds_pods(formed: Rig) -> None:
    config = tomllib.loads(formed.on("k8s-worker1", "cat /etc/containerd/config.toml"))
    assert config["plugins"]["io.containerd.cri.v1.images"]["pinned_images"] == {
        "sandbox": "registry.k8s.io/pause:3.99"
    }
    assert formed.on("k8s-worker1", "systemctl is-active containerd") == "active\n"


def test_only_the_users_of_the_cluster_can_read_its_kubeconfig(formed: Rig) -> None:
    for machine in ("k8s-master", "client"):
        found = formed.on(
            machine, "stat -c '%a %U' /home/vagrant/.kube/config; cat /home/vagrant/.kube/config"
        )
        assert found == "600 vagrant\nSTAND-IN\n"


def test_a_second_run_changes_nothing(formed: Rig) -> None:
    assert formed.play().changed == 0
    assert formed.calls("k8s-worker1") == []


def test_a_change_of_the_lab_reaches_the_running_cluster(formed: Rig) -> None:
    """Another release, another mode of kube-proxy, and a worker that lab.yml no longer has."""
    formed.on(
        "k8s-master",
        "printf 'node/%s\n' k8s-master k8s-worker1 k8s-worker2 k8s-worker3 >/var/lib/stand-in/nodes",
    )
    formed.calls("k8s-master")
    formed.write(version=NEW, proxy_mode="ipvs")
    formed.play("kubernetes.yml")
    assert formed.calls("k8s-master") == [
        "kubeadm init phase addon kube-proxy --config /etc/kubernetes/kubeadm.yml",
        f"{KUBECTL} rollout restart --namespace=kube-system daemonset/kube-proxy",
        f"{KUBECTL} delete node/k8s-worker3",
        f"kubeadm upgrade apply v{NEW} --yes",
        *moved("k8s-master"),
        *moved("k8s-worker1"),
        *moved("k8s-worker2"),
        f"{KUBECTL} apply --kustomize /etc/kubernetes/pod-network",
    ]
    assert formed.calls("k8s-worker1") == ["kubeadm upgrade node"]
    assert formed.on("k8s-worker1", "kubeadm version --output short 2>/dev/null") == f"v{NEW}\n"


def moved(node: str) -> list[str]:
    """Return what kubectl is asked while a node changes its kubelet."""
    return [
        f"{KUBECTL} drain {node} --ignore-daemonsets --delete-emptydir-data --timeout=180s",
        f"{KUBECTL} wait --for=jsonpath={{.status.nodeInfo.kubeletVersion}}=v{NEW} --timeout=180s node/{node}",
        f"{KUBECTL} uncordon {node}",
    ]


def test_a_reset_leaves_no_cluster(formed: Rig) -> None:
    formed.play("reset.yml")
    for node in NODES:
        reset = "kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock"
        assert formed.calls(node)[-1] == reset
        assert formed.on(node, "cd /etc/kubernetes && ls -d *.conf pki 2>/dev/null || true") == ""
    assert formed.play("reset.yml").changed == 0
