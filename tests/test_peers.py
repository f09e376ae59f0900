"""The script that installs what the tests drive, on machines where it may not."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("peers.sh")
PROGRAMS = ("fossil", "dig", "kdig", "faketime")
SERVERS = (
    "nginx",
    "nsd",
    "dnsperf",
    "knotd",
    "kzonecheck",
    "named",
    "squid",
    "curl",
    "openssl",
    "pdns_server",
    "ldns-signzone",
    "systemd-analyze",
    "setpriv",
    "etcd",
    "etcdctl",
    "nats-server",
)  # looked for in /usr/sbin, too, where this machine may have them
LINE = "sudo apt-get install -y --no-install-recommends"


def peers(place: Path, *programs: str) -> subprocess.CompletedProcess[str]:
    """Run it where only the shell's tools, `programs` and SERVERS that do nothing, and a login without rights are."""
    place.mkdir()
    for tool in ("sh", "cat"):
        found = shutil.which(tool)
        assert found is not None
        (place / tool).symlink_to(found)
    (place / "id").write_text("#!/bin/sh\necho 1000\n")
    for program in (*programs, *SERVERS):
        (place / program).write_text("#!/bin/sh\nexit 1\n")
    for file in place.iterdir():
        if not file.is_symlink():
            file.chmod(0o755)
    return subprocess.run(
        ["/bin/sh", SCRIPT], env={"PATH": str(place)}, capture_output=True, text=True, check=False
    )


def test_nothing_happens_where_all_are_here(tmp_path: Path) -> None:
    done = peers(tmp_path / "bin", *PROGRAMS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("here", "packages"),
    [
        (("dig", "kdig", "faketime"), "fossil"),
        (("fossil",), "bind9-dnsutils knot-dnsutils faketime"),
        ((), "fossil bind9-dnsutils knot-dnsutils faketime"),
    ],
)
@pytest.mark.parametrize("sudo", [(), ("sudo",)], ids=["no sudo", "sudo asks for a password"])
def test_who_may_not_install_is_told_the_line_to_run(
    tmp_path: Path, here: tuple[str, ...], packages: str, sudo: tuple[str, ...]
) -> None:
    done = peers(tmp_path / "bin", "apt-get", *here, *sudo)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].strip() == f"{LINE} {packages}"
    assert done.stdout == ""


def test_another_system_is_told_the_names(tmp_path: Path) -> None:
    done = peers(tmp_path / "bin", "fossil")
    assert done.returncode == 2
    assert "bind9-dnsutils knot-dnsutils faketime" in done.stderr


def test_the_script_is_executable() -> None:
    assert os.access(SCRIPT, os.X_OK)
