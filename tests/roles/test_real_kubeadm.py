"""The files that the roles write for kubeadm, read by a real one: validated, and carried out as far as that takes no image.

`LAB_KUBEADM` names the program; `scripts/build-kubernetes` builds it where nobody can fetch one. The phases of `kubeadm init`
that are run write keys, kubeconfigs, kubelet's settings and the control plane's manifests below a directory of their own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from lab.topology.loader import load
from lab.topology.model import Topology
from tests.golden import rendered
from tests.golden.produced import ROUTED

VARIABLE = "LAB_KUBEADM"
KUBEADM = os.environ.get(VARIABLE, "")
PHASES = ("certs all", "kubeconfig all", "kubelet-start", "control-plane all", "etcd local")
LABS = {path.stem: path for path in ROUTED}

pytestmark = pytest.mark.skipif(
    not KUBEADM, reason=f"not run: {VARIABLE} names no kubeadm; scripts/build-kubernetes builds one"
)


def kubeadm(*argv: str) -> str:
    done = subprocess.run([KUBEADM, *argv], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", LABS)
@pytest.mark.parametrize("write", [rendered.kubeadm, rendered.join], ids=["init", "join"])
def test_kubeadm_knows_every_field(name: str, write: Any, tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(write(LABS[name]))
    assert kubeadm("config", "validate", "--config", str(file)) == "ok\n"


@dataclass(frozen=True)
class Node:
    """What the phases wrote for the control plane of a lab."""

    topology: Topology
    root: Path

    @property
    def addresses(self) -> list[str]:
        interface = self.topology.control_plane.interface(self.topology.cluster_network.name)
        return [str(address.ip) for address in interface.addresses]

    @property
    def endpoint(self) -> str:
        host = self.addresses[0]
        return f"https://{f'[{host}]' if ':' in host else host}:6443"

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def options(self, manifest: str) -> dict[str, str]:
        """Return the options of the one program in a static pod."""
        pod = yaml.safe_load(self.read(f"etc/kubernetes/manifests/{manifest}.yaml"))
        (container,) = pod["spec"]["containers"]
        words = (word.removeprefix("--").partition("=") for word in container["command"][1:])
        return {name: value for name, _, value in words}


@pytest.fixture(scope="module", params=LABS)
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Node:
    if os.geteuid() != 0:
        pytest.skip("not run: kubeadm changes its root directory, which root alone may do")
    root = tmp_path_factory.mktemp(request.param)
    for directory in ("etc", "tmp", "var/lib"):
        (root / directory).mkdir(parents=True)
    (root / "kubeadm.yml").write_text(rendered.kubeadm(LABS[request.param]))
    for phase in PHASES:
        kubeadm("--rootfs", str(root), "init", "phase", *phase.split(), "--config", "/kubeadm.yml")
    return Node(load(LABS[request.param]), root)


def test_the_certificate_is_for_the_address_of_the_cluster_s_network(node: Node) -> None:
    certificate = x509.load_pem_x509_certificate(node.read("etc/kubernetes/pki/apiserver.crt").encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(node.addresses) <= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert node.topology.control_plane.name in names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("name", ["admin", "kubelet"])
def test_kubeconfigs_name_the_lab_and_its_endpoint(node: Node, name: str) -> None:
    (cluster,) = yaml.safe_load(node.read(f"etc/kubernetes/{name}.conf"))["clusters"]
    assert (cluster["name"], cluster["cluster"]["server"]) == (node.topology.name, node.endpoint)


def test_kubelet_has_the_lab_s_address_and_the_driver_of_containerd(node: Node) -> None:
    (line,) = node.read("var/lib/kubelet/kubeadm-flags.env").splitlines()
    options = shlex.split(line.partition("=")[2])[0].split()
    assert f"--node-ip={','.join(node.addresses)}" in options
    config = yaml.safe_load(node.read("var/lib/kubelet/config.yaml"))
    assert config["cgroupDriver"] == "systemd"
    assert config["containerRuntimeEndpoint"] == "unix:///run/containerd/containerd.sock"


def test_the_control_plane_has_the_lab_s_ranges(node: Node) -> None:
    kubernetes = node.topology.kubernetes
    services = ",".join(map(str, kubernetes.service_subnets))
    api, controllers = node.options("kube-apiserver"), node.options("kube-controller-manager")
    assert (api["advertise-address"], api["service-cluster-ip-range"]) == (node.addresses[0], services)
    assert controllers["cluster-cidr"] == ",".join(map(str, kubernetes.pod_subnets))
    assert controllers["service-cluster-ip-range"] == services
    assert controllers["cluster-name"] == node.topology.name
    assert node.endpoint.rpartition(":")[0] in node.options("etcd")["advertise-client-urls"]


def test_the_token_and_the_hash_are_what_join_wants(node: Node) -> None:
    """The role reads both from what `kubeadm token create` prints; a token is random, and not only digits by luck."""
    token = kubeadm("token", "generate").strip()
    file = node.root / "join.yml"
    file.write_text(rendered.join(LABS[node.topology.name]).replace("000000.0000000000000000", token))
    assert kubeadm("config", "validate", "--config", str(file)) == "ok\n"


def test_the_image_that_holds_pods_is_among_kubeadm_s() -> None:
    version = load(LABS["kubeadm"]).kubernetes.version
    listed = kubeadm("config", "images", "list", "--kubernetes-version", f"v{version}").splitlines()
    assert [image for image in listed if "/pause:" in image]
