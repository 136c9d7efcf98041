"""Static files: found, addressed by content, compressed, and never anything else."""

import gzip
import re
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from tradewind.core.errors import StartupError
from tradewind.portal import assets
from tradewind.portal.assets import load_assets


@pytest.fixture(scope="module")
def all_names() -> frozenset[str]:
    return load_assets().names


def test_the_vendor_files_come_from_installed_packages(all_names: frozenset[str]):
    assert {"vendor/htmx-4.min.js", "vendor/uplot.min.js", "vendor/uplot.min.css"} <= all_names
    assert not (assets.STATIC_FOLDER / "vendor").exists()


def test_a_versioned_asset_is_kept_for_ever_and_comes_compressed(anonymous: TestClient):
    url = re.search(r'href="(/static/app\.css\?v=[0-9a-f]{16})"', anonymous.get("/sign-in").text)
    assert url is not None

    answer = anonymous.get(url[1], headers={"accept-encoding": "gzip"})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert "@layer tokens" in answer.text, "the client has unpacked it"
    plain = anonymous.get(url[1], headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == answer.text


def test_another_version_is_asked_for_again(anonymous: TestClient):
    answer = anonymous.get("/static/ui.js?v=0000000000000000")

    assert answer.headers["cache-control"] == "no-cache"
    again = anonymous.get("/static/ui.js", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_imports_between_modules_carry_the_version_of_what_they_import(anonymous: TestClient):
    text = anonymous.get("/static/ui.js").text

    imports = re.findall(r'from "(\./[a-z-]+\.js[^"]*)"', text)
    assert len(imports) == len(re.findall(r"^import ", text, flags=re.MULTILINE)) > 0
    for path in imports:
        answer = anonymous.get(f"/static/{path.removeprefix('./')}")
        assert "immutable" in answer.headers["cache-control"], path


@pytest.mark.parametrize("name", ["..%2Fassets.py", "%2e%2e/app.py", "css/tokens.css", "", "x.js"])
def test_nothing_else_is_served(anonymous: TestClient, name: str):
    assert anonymous.get(f"/static/{name}").status_code == 404


def test_everything_a_first_visit_loads_is_small(all_names: frozenset[str]):
    own = [name for name in all_names if not name.startswith("vendor/")]
    loaded = load_assets()
    sizes = {
        name: len(
            loaded.respond(
                SimpleNamespace(query_params={}, headers={"accept-encoding": "gzip"}),  # type: ignore[arg-type]
                name,
            ).body
        )
        for name in own
    }
    assert sum(sizes.values()) < 60_000, sizes


def test_a_missing_package_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    missing = assets._VendorFile("x.js", "no-such-distribution", "x.js")

    with pytest.raises(StartupError, match="no-such-distribution"):
        assets._read_vendor_file(missing)


def test_compressed_bytes_are_the_same_on_each_start():
    first, second = load_assets(), load_assets()

    assert {name: first.url(name) for name in first.names} == {
        name: second.url(name) for name in second.names
    }
    assert gzip.compress(b"x", 9, mtime=0) == gzip.compress(b"x", 9, mtime=0)


def test_our_modules_never_write_markup():
    for path in assets.STATIC_FOLDER.glob("*.js"):
        text = path.read_text()
        for banned in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert banned not in text, f"{path.name} uses {banned}"
