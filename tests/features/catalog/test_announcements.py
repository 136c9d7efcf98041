"""The end of a model in headers and in calendars."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.catalog.rules.announcements import Announced, calendar, deprecation_lines

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def test_the_headers_are_those_of_the_rfcs():
    lines = deprecation_lines(
        datetime(2026, 1, 1, tzinfo=UTC), date(2026, 4, 1), "https://example.com/models/a/b"
    )
    assert lines == (
        b"deprecation: @1767225600\r\n"
        b"sunset: Thu, 02 Apr 2026 00:00:00 GMT\r\n"
        b'link: <https://example.com/models/a/b>; rel="successor-version"\r\n'
    )


def test_a_day_is_a_whole_day_of_the_calendar():
    feed = calendar(
        "Models, in use", [Announced("m1@x", date(2026, 12, 31), "a/b retires", "Take a/c.")], NOW
    )
    lines = feed.split("\r\n")
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2:] == ["END:VCALENDAR", ""]
    assert r"NAME:Models\, in use" in lines
    assert "DTSTART;VALUE=DATE:20261231" in lines
    assert "DTEND;VALUE=DATE:20270101" in lines
    assert "DTSTAMP:20261122T093000Z" in lines


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_out_of_its_line(title, text):
    feed = calendar("c", [Announced("u", date(2026, 1, 1), title, text)], NOW)
    lines = feed.split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines)
    unfolded = feed.replace("\r\n ", "").split("\r\n")
    assert [line for line in unfolded if line.startswith("BEGIN:")] == [
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT",
    ]
    assert "\n" not in feed.replace("\r\n", "")
