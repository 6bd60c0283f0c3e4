"""Images made of the machine: its own programs, none of its secrets.

The root is a skeleton with a few files copied from /etc; the machine's /usr lies under /usr, copy on write. So a lab
without any network has nginx to serve pages and a shell with the usual tools to ask for them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from lab.pocket.agent.images import Image, repository

NODE_NAME: Final = "LAB_NODE_NAME"
"""Environment variable by which a built-in image knows its node."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINKS: Final = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin"}
DIRECTORIES: Final[Mapping[str, int]] = {
    "dev": 0o755, "etc": 0o755, "home": 0o755, "mnt": 0o755, "opt": 0o755, "proc": 0o755, "root": 0o700,
    "run": 0o755, "srv": 0o755, "sys": 0o755, "tmp": 0o1777, "usr": 0o755, "var/cache": 0o755,
    "var/lib/nginx": 0o755, "var/log/nginx": 0o755, "var/tmp": 0o1777, "var/www": 0o755,
}  # fmt: skip
COPIED: Final = (
    "alternatives", "bash.bashrc", "debian_version", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "mime.types", "nginx/mime.types", "nsswitch.conf", "os-release", "passwd", "profile", "protocols", "services",
    "ssl/certs", "ssl/openssl.cnf",
)  # fmt: skip

NGINX_CONF: Final = """\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
"""
NGINX_DEFAULT: Final = """\
server {
    listen 80;
    listen [::]:80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
"""
NGINX_ENTRYPOINT: Final = f"""\
#!/bin/sh
set -e
printf 'add_header X-Pod "%s" always;\\nadd_header X-Node "%s" always;\\n' "$(hostname)" "${NODE_NAME}" \\
    > /etc/nginx/conf.d/00-who-answers.conf
exec "$@"
"""
WELCOME: Final = """\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and
working. Further configuration is required.</p>

<p>For online documentation and support please refer to
<a href="http://nginx.org/">nginx.org</a>.<br/>
Commercial support is available at
<a href="http://nginx.com/">nginx.com</a>.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
"""
BALANCER: Final = ("lab-balancer", "localhost/lab-balancer")
GUESTBOOK: Final = "local/lib/guestbook.py"
PROGRAMS: Final = Path(__file__).resolve().parents[3]
"""The directory with the package `lab`, from which this agent runs."""
TOOLS: Final = ("tools", "busybox", "alpine", "debian", "ubuntu", "curlimages/curl", "nicolaka/netshoot")


def built_in(directory: Path) -> list[Image]:
    """Return the images that this machine's programs allow, made in `directory` unless they are there.

    They are the lower layers of containers that may run already, so what is there is never changed.
    """
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    place = directory / version
    if not place.exists():
        partial = directory / f".{version}"
        shutil.rmtree(partial, ignore_errors=True)
        _skeleton(partial / "base")
        _make_nginx(partial)
        _make_guestbook(partial)
        partial.rename(place)
    images = [_image("tools", TOOLS, place, command=("/bin/sh",))]
    if shutil.which("nginx"):
        images.append(_nginx(place))
    images += [_guestbook(place, tier) for tier in ("front", "store")]
    if PROGRAMS.is_relative_to("/usr"):
        images.append(_balancer(place))
    return images


def _make_nginx(place: Path) -> None:
    _write(place / "nginx/etc/nginx/nginx.conf", NGINX_CONF)
    _write(place / "nginx/etc/nginx/conf.d/default.conf", NGINX_DEFAULT)
    _write(place / "nginx/docker-entrypoint.sh", NGINX_ENTRYPOINT, mode=0o755)
    _write(place / "nginx-usr/share/nginx/html/index.html", WELCOME)


def _make_guestbook(place: Path) -> None:
    source = (PROGRAMS / "lab/pocket/samples/guestbook.py").read_text()
    for tier in ("front", "store"):
        _write(place / f"guestbook-{tier}-usr" / GUESTBOOK, source)


def _guestbook(place: Path, tier: str) -> Image:
    name = f"guestbook-{tier}"
    return _image(name, (name,), place, command=("python3", "-u", f"/usr/{GUESTBOOK}", tier))


def _balancer(place: Path) -> Image:
    image = _image("lab-balancer", BALANCER, place, command=())
    return replace(
        image,
        entrypoint=("python3", "-m", "lab.balancer"),
        environment={**image.environment, "PYTHONPATH": str(PROGRAMS)},
    )


def _nginx(place: Path) -> Image:
    image = _image("nginx", ("nginx",), place, command=("nginx", "-g", "daemon off;"))
    return replace(
        image,
        layers=(place / "nginx", *image.layers),
        entrypoint=("/docker-entrypoint.sh",),
        stop_signal="SIGQUIT",
    )


def _image(name: str, names: Sequence[str], place: Path, *, command: tuple[str, ...]) -> Image:
    usr = place / f"{name}-usr"
    usr.mkdir(exist_ok=True)
    return Image(
        id=f"built-in:{name}",
        names=tuple(map(repository, names)),
        layers=(place / "base",),
        over_machine=usr,
        command=command,
        environment={"PATH": PATH},
    )


def _skeleton(root: Path) -> Path:
    for name, mode in DIRECTORIES.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    for name, destination in LINKS.items():
        (root / name).symlink_to(destination)
    for name in COPIED:
        source, target = Path("/etc") / name, root / "etc" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, target, symlinks=True)
        elif os.path.lexists(source):
            shutil.copy2(source, target, follow_symlinks=False)
    (root / "etc/resolv.conf").touch()
    (root / "etc/hosts").touch()
    (root / "etc/hostname").touch()
    return root


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
