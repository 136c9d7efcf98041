import pytest

from tradewind.gateway.routing.speeds import MOST_RECORDS, Speeds


def test_what_was_not_measured_is_unknown():
    speeds = Speeds()
    assert speeds.first_token_s("a", 0.0) is None
    assert speeds.tokens_per_s("a", 0.0) is None


def test_the_first_measurement_is_the_value():
    speeds = Speeds()
    speeds.add_first_token("a", 0.4, 10.0)
    speeds.add_output("a", 100, 2.0, 10.0)
    assert speeds.first_token_s("a", 10.0) == 0.4
    assert speeds.tokens_per_s("a", 10.0) == 50.0


def test_a_burst_is_averaged_and_the_past_fades_with_time():
    speeds = Speeds()
    speeds.add_first_token("a", 1.0, 0.0)
    speeds.add_first_token("a", 2.0, 0.0)
    assert speeds.first_token_s("a", 0.0) == pytest.approx(1.1)
    speeds.add_first_token("a", 0.0, 100.0)
    faded = speeds.first_token_s("a", 100.0)
    assert faded is not None
    assert faded < 0.001


def test_an_average_stays_among_what_was_measured():
    speeds = Speeds()
    for number in range(1000):
        speeds.add_first_token("a", 0.2 if number % 2 else 0.6, number * 0.01)
    average = speeds.first_token_s("a", 10.0)
    assert average is not None
    assert 0.2 < average < 0.6


def test_an_old_measurement_is_unknown_again():
    speeds = Speeds()
    speeds.add_first_token("a", 9.0, 0.0)
    assert speeds.first_token_s("a", 300.0) == 9.0
    assert speeds.first_token_s("a", 300.1) is None
    speeds.add_first_token("a", 0.1, 400.0)
    assert speeds.first_token_s("a", 400.0) == 0.1


@pytest.mark.parametrize(("tokens", "seconds"), [(7, 1.0), (0, 1.0), (100, 0.0), (100, -1.0)])
def test_a_few_tokens_or_no_time_say_nothing(tokens, seconds):
    speeds = Speeds()
    speeds.add_output("a", tokens, seconds, 0.0)
    assert speeds.tokens_per_s("a", 0.0) is None


def test_the_memory_of_speeds_is_bounded():
    speeds = Speeds()
    for number in range(MOST_RECORDS + 10):
        speeds.add_first_token(str(number), 1.0, 0.0)
    assert speeds.first_token_s("0", 0.0) is None
    assert speeds.first_token_s(str(MOST_RECORDS + 9), 0.0) == 1.0
    assert len(speeds._first_token) == MOST_RECORDS
