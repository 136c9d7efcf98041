"""Compile `requirements/*.in` and lists of environments into locks: `python -m scripts.lock`.

With packages named (`scripts.lock PACKAGE…`), only those move. A lock carries hashes and names no
index, so it installs from any mirror. Releases younger than a week are left out: that is how long a
stolen release usually takes to be noticed.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
LISTS = "../src/tradewind/serve/environment_lists"
SMALLEST_AGE = timedelta(days=7)
# dev comes after runtime and is bound to its pins, so that tests run on what is shipped.
LOCKS: dict[str, tuple[str, ...]] = {
    "runtime": (),
    "assets": ("--no-deps",),
    "dev": ("--constraints", "runtime.txt"),
    # What users install beside nothing of ours: scripts/client_environments.py.
    **{f"clients/{path.stem}": () for path in sorted((REQUIREMENTS / "clients").glob("*.in"))},
    # What is installed on first use: src/tradewind/serve/environments.py.
    f"{LISTS}/pyrit": ("--override", f"{LISTS}/pyrit.overrides"),
    f"{LISTS}/garak": ("--override", f"{LISTS}/garak.overrides"),
    f"{LISTS}/presidio": (),
    f"{LISTS}/safety-data": ("--no-deps",),
}


def main() -> int:
    newest = (datetime.now(UTC) - SMALLEST_AGE).strftime("%Y-%m-%d")
    upgrades = [f"--upgrade-package={name}" for name in sys.argv[1:]] or ["--upgrade"]
    for name, extra in LOCKS.items():
        print(f"locking {name}", file=sys.stderr, flush=True)
        run = subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", f"{name}.in"),
                *("--output-file", f"{name}.txt", "--quiet", "--python-version", "3.11"),
                *("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"),
                *("--exclude-newer", newest, *upgrades, *extra),
            ],
            cwd=REQUIREMENTS,
            check=False,
        )
        if run.returncode:
            return run.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
