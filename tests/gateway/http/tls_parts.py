"""A certificate authority of the tests' own, made with the `openssl` command."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import warnings

import pytest

_CONFIG = """
[ca]
default_ca = authority
[authority]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = anything
copy_extensions = copy
unique_subject = no
[anything]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
"""
NAMES = "DNS:localhost,DNS:models.example,IP:127.0.0.1"


class BlockingServer:
    """Talks to one client in a thread, for what asyncio's servers cannot do: `talk(tls, raw)` has
    both ends of the same connection, before its handshake.
    """

    def __init__(self, context, talk):
        self._context = context
        self._talk = talk

    def __enter__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(30)
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()
        self._listening.close()

    def _serve(self):
        connection, _ = self._listening.accept()
        connection.settimeout(30)
        with (
            connection.dup() as raw,
            self._context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            ) as tls,
        ):
            self._talk(tls, raw)
            with contextlib.suppress(OSError):  # closing unread would reset, and take all with it
                while raw.recv(1 << 16):
                    pass


def refusing(tls, _raw):
    """Tell why, where asyncio's servers only hang up."""
    with contextlib.suppress(ssl.SSLError):
        tls.do_handshake()


class Authority:
    """Signs certificates; `path` is its own, as a CA bundle."""

    def __init__(self, folder):
        if shutil.which("openssl") is None:
            pytest.skip("needs the openssl command to make certificates")
        self._folder = folder
        self.path = folder / "ca.pem"
        self._config = folder / "ca.cnf"
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        self._openssl("req", "-x509", "-extensions", "root", "-subj", "/CN=Test CA", "-days", "30",
                      *self._new_key("ca"), "-out", self.path)  # fmt: skip

    def server(self, name="good", *, names=NAMES, dates=None):
        """A server's context with a certificate for `names`; `dates` are (start, end)."""
        certificate = self._folder / f"{name}.pem"
        if not certificate.exists():
            request = self._folder / f"{name}.csr"
            self._openssl("req", "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}",
                          *self._new_key(name), "-out", request)  # fmt: skip
            period = ("-startdate", dates[0], "-enddate", dates[1]) if dates else ("-days", "30")
            self._openssl("ca", "-batch", "-notext", "-cert", self.path,
                          "-keyfile", self._key("ca"), *period,
                          "-in", request, "-out", certificate)  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, self._key(name))
        return context

    def old_server(self):
        """A server's context that speaks TLS 1.1 and nothing newer."""
        context = self.server()
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

    def _key(self, name):
        return self._folder / f"{name}.key"

    def _new_key(self, name):
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        return (*curve, "-nodes", "-keyout", self._key(name))

    def _openssl(self, verb, *arguments):
        command = ["openssl", verb, "-config", self._config, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
