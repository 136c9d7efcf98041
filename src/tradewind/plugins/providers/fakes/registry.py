"""The fakes by the name of the member of the family that speaks to them. One line adds one."""

from tradewind.plugins.providers.fakes.anthropic import FakeAnthropic
from tradewind.plugins.providers.fakes.base import FakeVendor
from tradewind.plugins.providers.fakes.bedrock import FakeBedrock
from tradewind.plugins.providers.fakes.cohere import FakeCohere
from tradewind.plugins.providers.fakes.google import FakeGoogle
from tradewind.plugins.providers.fakes.openai import HABITS, FakeOpenAI


def fakes() -> dict[str, FakeVendor]:
    """Return a new fake for each member that has one."""
    vendors: tuple[FakeVendor, ...] = (
        *(FakeOpenAI(habits) for habits in HABITS),
        FakeAnthropic(),
        FakeGoogle(),
        FakeCohere(),
        FakeBedrock(),
    )
    return {vendor.name: vendor for vendor in vendors}
