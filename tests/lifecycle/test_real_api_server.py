"""A lab whose API server is exchanged for a real kube-apiserver: our controllers, agents, proxies and DNS stay.

LAB_KUBE_APISERVER names the directory in which `scripts/real-kube-apiserver` built kube-apiserver and etcd.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lifecycle.conftest import Lab, write_lab

BINARIES = Path(os.environ.get("LAB_KUBE_APISERVER", "/nowhere"))
MASTER, WORKERS = "k8s-master", ("k8s-worker1", "k8s-worker2")
SECONDS = 180.0
TAKE_DOWN = """
systemctl disable --now pocket-server pocket-controllers pocket-dns
cd /var/lib/pocket/pki
python3 - <<'END'
from pathlib import Path
from cryptography.hazmat.primitives import serialization
key = serialization.load_pem_private_key(Path("sa.key").read_bytes(), None).public_key()
form = serialization.PublicFormat.SubjectPublicKeyInfo
Path("sa.pub").write_bytes(key.public_bytes(serialization.Encoding.PEM, form))
END
"""
START = """
systemd-run --unit=etcd /usr/local/bin/etcd --data-dir /var/lib/etcd --unsafe-no-fsync
systemd-run --unit=kube-apiserver --working-directory=/var/lib/pocket/pki /usr/local/bin/kube-apiserver \
    --etcd-servers http://127.0.0.1:2379 --secure-port 6443 --bind-address 10.0.0.10 --advertise-address 10.0.0.10 \
    --tls-cert-file apiserver.crt --tls-private-key-file apiserver.key --client-ca-file ca.crt \
    --service-account-key-file sa.pub --service-account-signing-key-file sa.key \
    --service-account-issuer https://kubernetes.default.svc --allow-privileged \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --kubelet-client-certificate apiserver-kubelet-client.crt --kubelet-client-key apiserver-kubelet-client.key \
    --kubelet-preferred-address-types InternalIP --service-cluster-ip-range 10.96.0.0/12
"""
# What our programs need beside a kubelet's rights; docs/nodes.md says so.
RIGHTS = """
kubectl create clusterrole lab:pod-routes --verb=get,list,watch --resource=nodes
kubectl create clusterrolebinding lab:pod-routes --clusterrole=lab:pod-routes --group=system:nodes
kubectl create clusterrolebinding lab:controllers --clusterrole=cluster-admin --user=system:kube-controller-manager
systemctl start pocket-controllers pocket-dns
kubectl apply -f /etc/kubernetes/addons/10-load-balancer.yaml
kubectl wait --for=condition=Established crd/ipaddresspools.metallb.io --timeout=60s
kubectl apply -f /etc/kubernetes/addons/20-load-balancer-config.yaml
"""

pytestmark = pytest.mark.skipif(
    not (BINARIES / "kube-apiserver").exists(),
    reason="not run: no kube-apiserver in $LAB_KUBE_APISERVER (scripts/real-kube-apiserver builds it)",
)


class Machines:
    """Commands on the lab's machines."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def shell(self, machine: str, script: str) -> str:
        """Run a script as root; fails with what it said."""
        prefix = "export KUBECONFIG=/etc/kubernetes/admin.conf\nset -e\n" if machine == MASTER else "set -e\n"
        return self.pipe(machine, "cat >/tmp/script && sh /tmp/script", (prefix + script).encode())

    def client(self, command: str) -> str:
        """Run a command as the client's user, who has a kubeconfig."""
        return self.pipe("client", "cat >/tmp/script && su - vagrant -c 'sh /tmp/script'", command.encode())

    def pipe(self, machine: str, command: str, content: bytes) -> str:
        argv = [sys.executable, "-m", "lab.cli", "exec", "--file", str(self.lab.file), machine]
        done = subprocess.run(
            [*argv, "--", "sh", "-c", command],
            input=content,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{machine}: {command}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done.stdout.decode()


def eventually(claim: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not claim():
        assert time.monotonic() < deadline, f"{what}: not in time"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    lab = write_lab(tmp_path_factory.mktemp("real"), name="real-api", workers=len(WORKERS))
    try:
        lab("up")
        machines = Machines(lab)
        machines.shell(MASTER, TAKE_DOWN)
        for name in ("etcd", "kube-apiserver"):
            path = f"/usr/local/bin/{name}"
            machines.pipe(MASTER, f"cat >{path} && chmod +x {path}", (BINARIES / name).read_bytes())
        machines.shell(MASTER, START)
        eventually(
            lambda: "ok" in machines.shell(MASTER, "kubectl get --raw /readyz || true"), "kube-apiserver"
        )
        machines.shell(MASTER, RIGHTS)
        for name in (MASTER, *WORKERS):  # to them this is another cluster
            machines.shell(name, "systemctl restart pocket-agent pocket-proxy")
        machines.shell(MASTER, "kubectl wait --for=condition=Ready node --all --timeout=60s")
        machines.shell(MASTER, "kubectl -n metallb-system rollout status daemonset/speaker --timeout=120s")
        yield machines
    finally:
        lab("down")


@pytest.fixture
def web(machines: Machines) -> Iterator[None]:
    """Three pods of nginx behind a load balancer's address."""
    machines.client("kubectl create deploy nginx --image=nginx --replicas=3")
    machines.client("kubectl expose deploy nginx --type=LoadBalancer --port=80")
    machines.client("kubectl wait --for=condition=Available deploy/nginx --timeout=60s")
    yield
    machines.client("kubectl delete deploy/nginx svc/nginx")


def test_it_is_another_server(machines: Machines) -> None:
    assert "pocket" not in machines.client("kubectl version").partition("Server Version:")[2]


@pytest.mark.usefixtures("web")
def test_pods_answer_through_the_load_balancer(machines: Machines) -> None:
    answer = machines.client("curl --retry 20 --retry-connrefused --retry-all-errors -s 172.16.254.1")
    assert "Welcome to nginx!" in answer
    name = machines.client(
        "kubectl run ask --image=busybox --restart=Never -- nslookup nginx.default.svc.cluster.local"
    )
    assert name == "pod/ask created\n"
    machines.client("kubectl wait --for=jsonpath={.status.phase}=Succeeded pod/ask --timeout=60s")
    assert "nginx.default.svc.cluster.local" in machines.client("kubectl logs ask")
    machines.client("kubectl delete pod ask")


@pytest.mark.usefixtures("web")
def test_logs_exec_and_port_forward(machines: Machines) -> None:
    assert "start worker process" in machines.client("kubectl logs deploy/nginx")
    assert machines.client("echo piped | kubectl exec -i deploy/nginx -- cat") == "piped\n"
    forwarded = (
        "kubectl port-forward deploy/nginx 18080:80 >/dev/null & sleep 2; curl -s localhost:18080; kill $!"
    )
    assert "Welcome to nginx!" in machines.client(forwarded)


@pytest.mark.usefixtures("web")
def test_pods_of_a_node_that_booted_have_their_new_addresses(machines: Machines) -> None:
    """Kubernetes refuses a status with the addresses of before and those of now."""
    machines.lab.run(["fault", "kill", "--file", str(machines.lab.file), WORKERS[1]])
    machines.client("kubectl wait --for=condition=Ready=Unknown node/k8s-worker2 --timeout=120s")
    machines.lab.run(["fault", "undo", "--file", str(machines.lab.file), WORKERS[1]])
    machines.client("kubectl wait --for=condition=Ready node/k8s-worker2 --timeout=120s")
    machines.client("kubectl wait --for=condition=Ready pod -l app=nginx --timeout=120s")
    pods = machines.client("kubectl get pods -l app=nginx -o 'jsonpath={.items[*].status.podIPs}'")
    assert pods.count('"ip"') == 3
