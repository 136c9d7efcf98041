"""What the platform keeps of a sale."""

from tradewind.features.sales.schemas import Licensing

PLATFORM_FEE_PPM = 30_000
"""3 %, where the platform's operator says nothing else."""


def fee_ppm(licensing: str, own_ppm: int | None, platform_ppm: int) -> int:
    """Return the fee of an offer in millionths: nothing of what is not paid through the platform,
    what was agreed for this offer, else what is usual.
    """
    if licensing != Licensing.PLATFORM.value:
        return 0
    return platform_ppm if own_ppm is None else own_ppm
