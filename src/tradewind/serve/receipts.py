"""Builds the service of receipts, for whichever process needs it."""

from tradewind.core.clock import Clock
from tradewind.core.data_folder import DataFolder
from tradewind.features.receipts.service import Receipts
from tradewind.features.receipts.signing import ReceiptSigner
from tradewind.readmodels.receipt_facts import read_calls
from tradewind.serve.secret_files import load_or_create_signing_key


def build_receipts(folder: DataFolder, clock: Clock) -> Receipts:
    """Raises StartupError for a damaged signing key.

    The platform has one key for all that it signs; what kind of thing was signed is in each
    signature.
    """
    seed = load_or_create_signing_key(folder.secrets)
    return Receipts(clock, ReceiptSigner(seed), read_calls)
