"""Everything that reads the code without running it: `python -m scripts.check`.

All checks run even when one fails, so that one round of mending is enough.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS: dict[str, tuple[str, ...]] = {
    "ruff": ("-m", "ruff", "check", "."),
    "format": ("-m", "ruff", "format", "--check", "."),
    "types": ("-m", "pyright"),
    "layers": ("-c", "from importlinter.cli import lint_imports_command as c; c()"),
    "spelling": ("-m", "codespell_lib", "."),
    "architecture": ("-m", "pytest", "-q", "tests/architecture"),
}
# Pyright would otherwise take any node on the path, of any age; its wheel brings one that fits.
ENVIRONMENT = {"PYRIGHT_PYTHON_GLOBAL_NODE": "0", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}


def main() -> int:
    failed: list[str] = []
    for name, arguments in CHECKS.items():
        print(f"\n== {name} ==", flush=True)
        started = time.monotonic()
        run = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=os.environ | ENVIRONMENT, check=False
        )
        if run.returncode:
            failed.append(name)
        print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall checks passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
