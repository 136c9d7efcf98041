"""How fast targets have been of late: time to the first token, and tokens a second after it.

Moving averages that forget by time: what is 10 s old counts about a third, however many calls came
since, and a call counts for a tenth at least, so that a burst is not one sample. What was not
measured for five minutes is unknown again, so that a target which was slow once gets another try.
"""

import math

_FORGETTING_S = 10.0
_LEAST_WEIGHT = 0.1
_LIGHT_S = -_FORGETTING_S * math.log(1 - _LEAST_WEIGHT)
"""Samples that follow one another more closely have the least weight, without reckoning it."""
_VALID_S = 300.0
_FEWEST_TOKENS = 8
MOST_RECORDS = 4096


class _Average:
    __slots__ = ("at", "value")

    def __init__(self, value: float, at: float) -> None:
        self.value = value
        self.at = at


class Speeds:
    """By replica. Times in seconds, `now` is one steady clock's."""

    __slots__ = ("_first_token", "_throughput")

    def __init__(self) -> None:
        self._first_token: dict[str, _Average] = {}
        self._throughput: dict[str, _Average] = {}

    def first_token_s(self, replica: str, now: float) -> float | None:
        return _valid(self._first_token.get(replica), now)

    def tokens_per_s(self, replica: str, now: float) -> float | None:
        return _valid(self._throughput.get(replica), now)

    def add_first_token(self, replica: str, seconds: float, now: float) -> None:
        _add(self._first_token, replica, seconds, now)

    def add_output(self, replica: str, tokens: int, seconds: float, now: float) -> None:
        """Take the tokens that came in a time. A few say nothing."""
        if tokens >= _FEWEST_TOKENS and seconds > 0:
            _add(self._throughput, replica, tokens / seconds, now)


def _valid(average: _Average | None, now: float) -> float | None:
    return None if average is None or now - average.at > _VALID_S else average.value


def _add(averages: dict[str, _Average], replica: str, value: float, now: float) -> None:
    average = averages.get(replica)
    if average is not None:
        since_s = now - average.at
        if since_s <= _LIGHT_S:
            # By far the most: reckoned here, as a call costs more than the sum.
            average.value += _LEAST_WEIGHT * (value - average.value)
            average.at = now
            return
        if since_s <= _VALID_S:
            average.value += (1 - math.exp(-since_s / _FORGETTING_S)) * (value - average.value)
            average.at = now
            return
    elif len(averages) >= MOST_RECORDS:
        del averages[next(iter(averages))]
    averages[replica] = _Average(value, now)
