"""The official client of Azure AI Content Safety: texts, lists of terms, and what is refused."""

# pyright: reportMissingImports=false
import os
from collections.abc import Callable
from typing import Any

from azure.ai.contentsafety import BlocklistClient, ContentSafetyClient
from azure.ai.contentsafety.models import (
    AddOrUpdateTextBlocklistItemsOptions,
    AnalyzeImageOptions,
    AnalyzeTextOptions,
    AnalyzeTextOutputType,
    ImageData,
    RemoveTextBlocklistItemsOptions,
    TextBlocklist,
    TextBlocklistItem,
    TextCategory,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from chapters import (
    KEY,
    LIMITED_KEY,
    MOST_CALLS_OF_A_MINUTE,
    PIXEL,
    URL,
    WRONG_KEY,
    chapter,
    tell,
)

MANAGEMENT_KEY = os.environ["TRADEWIND_MANAGEMENT_KEY"]
HARMFUL = "I will kill all of them and burn their bodies."
BENIGN = "The harbour opens at nine, and the master collects the dues at noon."

client = ContentSafetyClient(URL, AzureKeyCredential(KEY), retry_total=0)
lists = BlocklistClient(URL, AzureKeyCredential(MANAGEMENT_KEY), retry_total=0)


def refusal(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except HttpResponseError as error:
        told = error.error
        return {
            "type": type(error).__name__,
            "status": error.status_code,
            "code": told.code if told is not None else None,
            "inner": (told.innererror or {}).get("code") if told is not None else None,
        }
    return {"type": None}


def severities(answer: Any) -> dict[str, int]:
    return {found.category: found.severity for found in answer.categories_analysis}


@chapter
def analyze():
    harmful = client.analyze_text(AnalyzeTextOptions(text=HARMFUL))
    benign = client.analyze_text(AnalyzeTextOptions(text=BENIGN))
    fine = client.analyze_text(
        AnalyzeTextOptions(
            text=BENIGN,
            categories=[TextCategory.VIOLENCE],
            output_type=AnalyzeTextOutputType.EIGHT_SEVERITY_LEVELS,
        )
    )
    return {
        "harmful": severities(harmful),
        "benign": severities(benign),
        "fine": severities(fine),
        "matches": harmful.blocklists_match,
    }


@chapter
def long_text():
    """As much as the service takes, which is what PyRIT sends at a time."""
    asked = AnalyzeTextOptions(
        text=(BENIGN + " ") * (10_000 // (len(BENIGN) + 1)),
        output_type=AnalyzeTextOutputType.EIGHT_SEVERITY_LEVELS,
    )
    return {"severities": severities(client.analyze_text(asked))}


@chapter
def blocklists():
    name = "harbour-words"
    made = lists.create_or_update_text_blocklist(
        blocklist_name=name, options=TextBlocklist(blocklist_name=name, description="First.")
    )
    changed = lists.create_or_update_text_blocklist(
        blocklist_name=name, options=TextBlocklist(blocklist_name=name, description="Second.")
    )
    added = lists.add_or_update_blocklist_items(
        blocklist_name=name,
        options=AddOrUpdateTextBlocklistItemsOptions(
            blocklist_items=[
                TextBlocklistItem(text="barnacle", description="A pest."),
                TextBlocklistItem(text="bilge water"),
            ]
        ),
    ).blocklist_items
    pest = next(item for item in added if item.text == "barnacle")
    shown = lists.get_text_blocklist_item(
        blocklist_name=name, blocklist_item_id=pest.blocklist_item_id
    )
    listed = list(lists.list_text_blocklist_items(blocklist_name=name, maxpagesize=1))
    hit = client.analyze_text(
        AnalyzeTextOptions(
            text="Mind the Barnacle there.", blocklist_names=[name], halt_on_blocklist_hit=True
        )
    )
    missed = client.analyze_text(AnalyzeTextOptions(text=BENIGN, blocklist_names=[name]))
    lists.remove_blocklist_items(
        blocklist_name=name,
        options=RemoveTextBlocklistItemsOptions(blocklist_item_ids=[pest.blocklist_item_id]),
    )
    removed = client.analyze_text(
        AnalyzeTextOptions(text="Mind the Barnacle there.", blocklist_names=[name])
    )
    names = [each.blocklist_name for each in lists.list_text_blocklists()]
    weak = BlocklistClient(URL, AzureKeyCredential(KEY), retry_total=0)
    forbidden = refusal(lambda: weak.delete_text_blocklist(blocklist_name=name))
    lists.delete_text_blocklist(blocklist_name=name)
    return {
        "descriptions": [made.description, changed.description],
        "shown": [shown.text, shown.description],
        "listed": sorted(item.text for item in listed),
        "match": [
            [each.blocklist_name, each.blocklist_item_id == pest.blocklist_item_id]
            for each in hit.blocklists_match
        ],
        "halted": hit.categories_analysis,
        "missed": missed.blocklists_match,
        "removed": removed.blocklists_match,
        "names": names,
        "forbidden": forbidden,
        "gone": refusal(lambda: lists.get_text_blocklist(blocklist_name=name)),
    }


@chapter
def refusals():
    stranger = ContentSafetyClient(URL, AzureKeyCredential(WRONG_KEY), retry_total=0)

    def ask(who: ContentSafetyClient = client, **options: Any) -> dict[str, Any]:
        return refusal(lambda: who.analyze_text(AnalyzeTextOptions(**options)))

    return {
        "wrong_key": ask(stranger, text=BENIGN),
        "too_long": ask(text="a" * 10_001),
        "no_such_list": ask(text=BENIGN, blocklist_names=["nowhere"]),
        "image": refusal(
            lambda: client.analyze_image(AnalyzeImageOptions(image=ImageData(content=PIXEL)))
        ),
    }


@chapter
def patience():
    hasty = ContentSafetyClient(URL, AzureKeyCredential(LIMITED_KEY), retry_total=0)
    for _ in range(2 * MOST_CALLS_OF_A_MINUTE):
        refused = refusal(lambda: hasty.analyze_text(AnalyzeTextOptions(text="a")))
        if refused["type"] is not None:
            return refused
    return {}


if __name__ == "__main__":
    tell()
