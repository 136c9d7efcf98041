"""What no committed file may hold. Patterns have a letter in brackets, so that this file passes."""

import re
from pathlib import Path

import checkout

# A checkout installs from any mirror, so it names none, and no place to download from.
HOSTS_OF_INDEXES = re.compile(
    r"p[y]pi\.org|p[y]thonhosted|registry\.n[p]m|n[p]mmirror|d[e]b\.debian|archive\.u[b]untu"
    r"|h[u]ggingface\.co|github\.com/\S+/releases/d[o]wnload"
)
PATHS_OF_ONE_MACHINE = re.compile(
    r"(?:^|[^A-Za-z0-9_.-])/(?:w[o]rk|f[a]rm|ro[o]t)/|/h[o]me/[a-z]+/|/opt/p[y]pi"
)
INDEX_OPTIONS = re.compile(
    r"^\s*(--index-url|--extra-index-url|--find-links|-i |-f )|://", re.MULTILINE
)
# A third party's file is installed and served from its package, never copied in (decision 0007).
COPIES = re.compile(r"(\.min\.(js|css)|\.woff2?|\.ttf|\.gguf|\.safetensors|\.whl|^uv\.lock)$")
LARGEST_FILE_BYTES = 1024 * 1024
WEIGHTS = "src/tradewind/plugins/checks/data"
LARGEST_WEIGHTS_BYTES = 8 * 1024 * 1024


def test_no_file_names_an_index_or_a_download():
    assert not matches(HOSTS_OF_INDEXES)


def test_no_file_holds_a_path_of_one_machine():
    assert not matches(PATHS_OF_ONE_MACHINE)


def test_locks_name_no_index():
    strays = [
        name
        for name, text in checkout.texts().items()
        if name.startswith("requirements/") and INDEX_OPTIONS.search(text)
    ]
    assert not strays


def test_every_lock_pins_and_hashes_everything():
    for name, text in checkout.texts().items():
        if not re.fullmatch(r"requirements/[\w/-]+\.txt", name):
            continue
        assert pins(text), name
        for entry in re.split(r"\n(?=\S)", text.strip()):
            assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", entry), f"{name}: {entry[:60]}"
            assert "--hash=sha256:" in entry, f"{name}: {entry[:60]}"


def test_tests_run_on_the_very_releases_that_are_shipped():
    """`make test` installs dev.txt alone, so it must hold runtime.txt pin by pin."""
    requirements = checkout.ROOT / "requirements"
    runtime = pins((requirements / "runtime.txt").read_text())
    dev = pins((requirements / "dev.txt").read_text())
    assert runtime.items() <= dev.items(), dict(runtime.items() - dev.items())


def test_no_third_party_file_is_committed():
    strays = [
        str(path.relative_to(checkout.ROOT))
        for path in checkout.files()
        if COPIES.search(str(path.relative_to(checkout.ROOT)))
        or path.stat().st_size > _most_bytes(path)
    ]
    assert not strays


def _most_bytes(path: Path) -> int:
    """Weights of our own checks are data of this repository, and larger than its texts."""
    is_weights = path.suffix == ".npz" and path.parent == checkout.ROOT / WEIGHTS
    return LARGEST_WEIGHTS_BYTES if is_weights else LARGEST_FILE_BYTES


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", lock, re.MULTILINE))


def matches(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}"
        for name, text in checkout.texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
