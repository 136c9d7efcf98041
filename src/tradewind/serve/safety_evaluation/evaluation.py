"""One evaluation from the packages' texts to the card."""

from collections.abc import Sequence
from pathlib import Path

from tradewind.plugins.checks.registry import checks
from tradewind.serve.environments import ensure_data
from tradewind.serve.safety_evaluation.card import Card
from tradewind.serve.safety_evaluation.datasets import LabelledSet, read_set, shipped_sets
from tradewind.serve.safety_evaluation.injection_sets import injection_sets, without_learnt
from tradewind.serve.safety_evaluation.runner import Progress, evaluate, local_checks


def run_evaluation(environments: Path, own: Sequence[Path], progress: Progress) -> Card:
    """Measure every local check on an organization's own files, or else on the shipped sets.

    The shipped ones are fetched on first use. Raises EnvironmentUnavailable where they cannot be,
    and InvalidInput for a file that is no set.
    """
    return evaluate(local_checks(checks()), _sets(environments, own, progress), progress)


def _sets(environments: Path, own: Sequence[Path], progress: Progress) -> list[LabelledSet]:
    if own:
        return [read_set(path) for path in own]
    folder = ensure_data(environments, "safety-data", progress)
    progress("reading the labelled texts")
    shipped = [without_learnt(each, folder) for each in shipped_sets(folder)]
    return [*shipped, *injection_sets(folder)]
