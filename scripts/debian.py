"""Packages of Debian and Ubuntu that tests and benchmarks need, installed where we may."""

import os
import shutil
import subprocess
import sys


def install(package: str) -> str | None:
    """Install `package` and return None, or return in one line why it could not be done."""
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        return f"install {package} with this system's package manager"
    if os.geteuid() != 0:
        return f"as root, run: apt-get install {package}"
    print(f"installing Debian's {package}", file=sys.stderr, flush=True)
    # Packages that bring a service must not start it: it would take a port nobody asked for.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
        run = subprocess.run(
            [apt_get, "-q", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # A failed update may leave lists that are good enough; only the install decides.
        if run.returncode and arguments[0] == "install":
            reasons = [line for line in run.stdout.splitlines() if line.startswith("E:")]
            return f"apt-get install {package} failed: {(reasons or ['no reason given'])[0]}"
    return None
