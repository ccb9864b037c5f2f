import time

from support.ledger_kit import AnyLedger, OpenLedger


def test_a_letter_keeps_what_came_and_why_it_was_set_aside(ledger: AnyLedger) -> None:
    before = time.time_ns()
    identifier = ledger.dead_letters.add("tape", "BAD_PRICE", "price is NaN", b"\x00SPY,nan\xff", key="spy.csv:7")
    (letter,) = ledger.dead_letters.list()
    assert letter[:5] == (identifier, "tape", "BAD_PRICE", "price is NaN", b"\x00SPY,nan\xff")
    assert letter.key == "spy.csv:7"
    assert before <= letter.recorded_at <= time.time_ns()


def test_the_same_key_is_set_aside_once_whoever_adds_it(ledger: AnyLedger, open_ledger: OpenLedger) -> None:
    first = ledger.dead_letters.add("tape", "BAD_PRICE", "", b"1", key="row 1")
    assert open_ledger().dead_letters.add("tape", "BAD_PRICE", "", b"1", key="row 1") == first
    assert ledger.dead_letters.add("tape", "BAD_PRICE", "", b"2", key="row 2") != first
    assert ledger.dead_letters.count() == 2
    assert ledger.dead_letters.counts_by_reason() == {"BAD_PRICE": 2}


def test_letters_without_a_key_are_all_kept(ledger: AnyLedger) -> None:
    for _ in range(3):
        ledger.dead_letters.add("feed", "UNKNOWN_SYMBOL", "", b"same")
    assert ledger.dead_letters.count() == 3


def test_letters_are_listed_page_by_page_in_order(ledger: AnyLedger) -> None:
    added = [ledger.dead_letters.add("feed", "LATE", str(n), b"") for n in range(7)]
    listed: list[str] = []
    while page := ledger.dead_letters.list(after=listed[-1] if listed else "", limit=3):
        listed += [letter.id for letter in page]
    assert listed == added


def test_a_removed_letter_is_gone_and_not_set_aside_again(ledger: AnyLedger) -> None:
    kept = ledger.dead_letters.add("feed", "LATE", "", b"kept", key="1")
    gone = ledger.dead_letters.add("feed", "BAD_SIZE", "", b"gone", key="2")
    assert ledger.dead_letters.remove(gone)
    assert not ledger.dead_letters.remove(gone)
    assert ledger.dead_letters.add("feed", "BAD_SIZE", "", b"gone", key="2") == gone
    assert [letter.id for letter in ledger.dead_letters.list()] == [kept]
    assert ledger.dead_letters.counts_by_reason() == {"LATE": 1}


def test_letters_are_no_events(ledger: AnyLedger) -> None:
    ledger.dead_letters.add("feed", "LATE", "", b"")
    assert ledger.last_seq() == 0
