"""Plain sentences of everyday subjects: what a custom category is not, where its owner names too
little of that. Made of parts, so nobody's text; they say little about how people write, and real
negatives are better.
"""

import random

_WHO = (
    "the gardener|my neighbour|our accountant|the new intern|a retired teacher|the ferry captain|"
    "the hospital board|a local baker|the city council|her younger brother|the night nurse|"
    "the support team|a patient engineer|the choir|our landlord|the tax office|a travel agent|"
    "the database administrator|the museum guide|a first-year student"
)
_DID = (
    "asked about|wrote a short report on|explained|forgot|was pleased with|postponed|measured|"
    "compared two offers for|ordered|repaired|translated|took photographs of|complained about|"
    "published a guide to|voted on|sketched|summarised|paid for|cancelled|learned about"
)
_WHAT = (
    "the bus timetable|a recipe for lentil soup|the quarterly budget|a leaking kitchen tap|"
    "the opening hours of the library|a chess opening|the migration of birds|a wedding speech|"
    "the results of the blood test|a Python script that sorts invoices|the history of tea|"
    "a contract for the new office|the weather in the mountains|an index on the orders table|"
    "the plot of a long novel|a lesson on photosynthesis|the football match|a broken bicycle|"
    "the train to the coast|a birthday present"
)
_WHEN = (
    "yesterday|before lunch|in the autumn|after the meeting|on Tuesday morning|last year|"
    "while it rained|at the end of the month|during the holidays|twice this week"
)
_ASK = (
    "Can you help me with|What is the best way to describe|Please draft an e-mail about|"
    "How much does it cost to change|Could you summarise|Where do I find more about|"
    "Write three sentences on|What should a beginner know about|Is there a simple rule for|"
    "Give me a checklist for"
)


def benign_sentences(count: int, seed: int) -> list[str]:
    """Return sentences and questions; the same for the same count and seed."""
    chance = random.Random(seed)  # noqa: S311 - nothing is to be kept from anybody
    who, did, what = _WHO.split("|"), _DID.split("|"), _WHAT.split("|")
    when, ask = _WHEN.split("|"), _ASK.split("|")
    made: list[str] = []
    for number in range(count):
        if number % 3 == 2:
            made.append(f"{chance.choice(ask)} {chance.choice(what)}?")
            continue
        sentence = (
            f"{chance.choice(who)} {chance.choice(did)} {chance.choice(what)} {chance.choice(when)}"
        )
        made.append(sentence[0].upper() + sentence[1:] + ".")
    return made
