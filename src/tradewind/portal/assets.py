"""Static files: read once at start, addressed by content, compressed, and served from memory.

An asset's URL carries the hash of what is served (`/static/app.css?v=3f9a...`), so a browser keeps
it for ever and a new version is a new URL. Relative imports between our ES modules are rewritten to
such URLs; without that, a changed module behind an unchanged one would be stale for a year.

htmx and uPlot are not in this repository. Their files are read out of the installed distributions
`django-htmx` and `youplot`, as data: neither package is ever imported.
"""

import gzip
import hashlib
import importlib.metadata
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from tradewind.core.errors import NotFound, StartupError

STATIC_FOLDER = Path(__file__).parent / "static"

# The cascade layers are declared in tokens.css, which must come first; the others may be in any
# order. One file instead of a dozen saves as many round trips on the first visit.
_STYLESHEET = "app.css"
_STYLESHEET_PARTS = (
    "tokens",
    "base",
    "shell",
    "parts",
    "pages",
    "routing",
    "limits",
    "webhooks",
    "catalog",
    "deployments",
    "publishing",
    "redteam",
    "people",
    "safety",
    "trust",
)


class _VendorFile(NamedTuple):
    """A third-party file: its name under /static/vendor and where it lies."""

    name: str
    distribution: str
    path: str


_VENDOR_FILES = (
    _VendorFile("htmx-4.min.js", "django-htmx", "django_htmx/static/django_htmx/htmx-4.min.js"),
    _VendorFile("uplot.min.js", "youplot", "youplot/vendor/uplot.iife.min.js"),
    _VendorFile("uplot.min.css", "youplot", "youplot/vendor/uplot.min.css"),
)

# `from "./name.js"` and `import "./name.js"`, the only forms our modules use.
_MODULE_IMPORT = re.compile(rb'\b(from|import) "\./([a-z-]+\.js)"')
_FOREVER = "public, max-age=31536000, immutable"
_SMALLEST_TO_COMPRESS = 512


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it goes over the wire."""

    content: bytes
    compressed: bytes | None
    media_type: str
    version: str


class Assets:
    """All assets by their path below /static. Immutable once built."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self._assets = assets

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._assets)

    def url(self, name: str) -> str:
        """Return the address of an asset. Raises KeyError for one that does not exist."""
        return f"/static/{name}?v={self._assets[name].version}"

    def respond(self, request: Request, name: str) -> Response:
        """Return the asset, for ever when its own version is asked for. Raises NotFound."""
        asset = self._assets.get(name)
        if asset is None:
            raise NotFound(f"there is no file {name!r}")
        is_versioned = request.query_params.get("v") == asset.version
        headers = {
            "cache-control": _FOREVER if is_versioned else "no-cache",
            "etag": f'"{asset.version}"',
            "vary": "accept-encoding",
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        content = asset.content
        if asset.compressed is not None and _accepts_gzip(request):
            content = asset.compressed
            headers["content-encoding"] = "gzip"
        return Response(content, headers=headers, media_type=asset.media_type)


def load_assets() -> Assets:
    """Read every asset. Raises StartupError when an installed package lacks a file we serve."""
    sources = _own_files() | _vendor_files()
    assets: dict[str, Asset] = {}

    def add(name: str, path: tuple[str, ...] = ()) -> Asset:
        if name in assets:
            return assets[name]
        assert name not in path, f"modules import each other in a circle: {' > '.join(path)}"
        content = sources[name]
        if name.endswith(".js") and "/" not in name:
            content = _MODULE_IMPORT.sub(
                lambda match: _pinned(match, add(match[2].decode(), (*path, name))), content
            )
        assets[name] = _asset(name, content)
        return assets[name]

    for name in sources:
        add(name)
    return Assets(assets)


def _pinned(match: re.Match[bytes], imported: Asset) -> bytes:
    return match[1] + b' "./' + match[2] + b"?v=" + imported.version.encode() + b'"'


def _asset(name: str, content: bytes) -> Asset:
    # mtime=0 keeps the bytes the same from start to start.
    compressed = gzip.compress(content, 9, mtime=0)
    is_worth_it = len(content) >= _SMALLEST_TO_COMPRESS and len(compressed) < len(content)
    media_type, _ = mimetypes.guess_type(name)
    return Asset(
        content,
        compressed if is_worth_it else None,
        media_type or "application/octet-stream",
        hashlib.sha256(content).hexdigest()[:16],
    )


def _own_files() -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in STATIC_FOLDER.iterdir() if path.is_file()}
    files[_STYLESHEET] = b"\n".join(
        (STATIC_FOLDER / "css" / f"{part}.css").read_bytes() for part in _STYLESHEET_PARTS
    )
    return files


def _vendor_files() -> dict[str, bytes]:
    return {f"vendor/{file.name}": _read_vendor_file(file) for file in _VENDOR_FILES}


def _read_vendor_file(file: _VendorFile) -> bytes:
    try:
        distribution = importlib.metadata.distribution(file.distribution)
        return Path(str(distribution.locate_file(file.path))).read_bytes()
    except (importlib.metadata.PackageNotFoundError, OSError) as error:
        raise StartupError(
            f"the portal needs {file.path} of the package {file.distribution}, which is not there",
            hint="run `make up` again, or install requirements/assets.txt without dependencies",
        ) from error


def _accepts_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
