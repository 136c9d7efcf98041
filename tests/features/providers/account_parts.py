"""A service account as Google Cloud makes one, with a key of the test's own."""

import json

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def new_private_key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem_of(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def account_file(key, **changes):
    """Return the file, indented as it comes."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "acme-1",
            "private_key_id": "0123abcd",
            "private_key": pem_of(key),
            "client_email": "caller@acme-1.iam.gserviceaccount.com",
            "client_id": "1",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": "https://oauth2.googleapis.com/token",
            "universe_domain": "googleapis.com",
        }
        | changes,
        indent=2,
    )
