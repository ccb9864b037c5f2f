import hashlib
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.ledger import Move
from support.ledger_kit import AnyLedger, Event, Note, codec, events, fill, passing_ledger, prices


def append_cut(ledger: AnyLedger, written: list[Event], cuts: list[int]) -> None:
    """Append the events in blocks that end at the given places."""
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(written)}), len(written)]
    for i, (start, stop) in enumerate(pairwise(edges)):
        ledger.append(written[start:stop], [Move("a", i, i + 1)])


@settings(max_examples=25, deadline=None)
@given(
    written=st.lists(events, min_size=1, max_size=40),
    cuts=st.lists(st.integers(1, 40)),
    other=st.lists(st.integers(1, 40)),
)
def test_the_digest_does_not_depend_on_how_events_were_cut_into_blocks(
    redis_url: str, written: list[Event], cuts: list[int], other: list[int]
) -> None:
    expected = hashlib.sha256(b"".join(codec().encode_one(event) for event in written)).hexdigest()
    with passing_ledger(redis_url) as one, passing_ledger(redis_url) as two:
        append_cut(one, written, cuts)
        append_cut(two, written, other)
        assert one.digest() == two.digest() == expected


def test_the_digest_of_an_empty_ledger_is_that_of_no_bytes(ledger: AnyLedger) -> None:
    # SHA-256 of the empty message: FIPS 180-4 test vector.
    assert ledger.digest() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_digest_of_a_range_is_that_of_its_events(ledger: AnyLedger) -> None:
    fill(ledger, [1, 2, 3], [4, 5], [6])
    wanted = b"".join(map(codec().encode_one, prices(2, 3, 4)))
    assert ledger.digest(2, 4) == hashlib.sha256(wanted).hexdigest()


def test_one_other_field_gives_another_digest(redis_url: str) -> None:
    digests = set()
    for text in ("a", "b"):
        with passing_ledger(redis_url) as ledger:
            ledger.append([Note("x"), Note(text)], [Move("a", 0, 1)])
            digests.add(ledger.digest())
    assert len(digests) == 2
