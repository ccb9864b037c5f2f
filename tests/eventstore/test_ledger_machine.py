"""A model of the ledger (a list of events, a dictionary of checkpoints) against the real one, in any order of calls."""

import hashlib
from contextlib import ExitStack
from typing import NamedTuple

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eventstore.errors import FencedError
from eventstore.ledger import Ledger, Move
from support.ledger_kit import AnyLedger, Event, codec, events, everything, passing_ledger

WRITERS = ("one", "two", "three")
writers = st.sampled_from(WRITERS)
names = st.sampled_from(["gateway", "risk", "execution"])
blocks = st.lists(events, max_size=5)


class Asked(NamedTuple):
    """An append that went in: what it said and the seqs it was given."""

    events: list[Event]
    moves: list[Move]
    seqs: range


def first_moved(moves: list[Move]) -> str:
    """The checkpoint under which an append leaves its receipt."""
    return next(move.name for move in moves if move.new > move.expected)


class LedgerMachine(RuleBasedStateMachine):
    """Several writers append, retry and come too late; readers read ranges and follow."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.log: list[Event] = []
        self.checkpoints: dict[str, int] = {}
        self.last: dict[str, Asked] = {}
        self.receipts: dict[str, Asked] = {}
        self.followed = 0

    @initialize()
    def start(self) -> None:
        self.reader = self.open.enter_context(passing_ledger(self.url))
        self.writers = {name: self.writer(name) for name in WRITERS}

    def writer(self, name: str) -> AnyLedger:
        ledger: AnyLedger = Ledger(self.client(), self.reader.session, codec(), writer=name)
        self.open.callback(ledger.close)
        return ledger

    def client(self) -> redis.Redis:
        client: redis.Redis = redis.Redis.from_url(self.url)
        self.open.callback(client.close)
        return client

    @rule(writer=writers, written=blocks, moved=st.dictionaries(names, st.integers(0, 3), min_size=1))
    def append(self, writer: str, written: list[Event], moved: dict[str, int]) -> None:
        moves = [Move(name, (at := self.checkpoints.get(name, 0)), at + by) for name, by in moved.items()]
        if not any(moved.values()):
            with pytest.raises(ValueError, match="at least one checkpoint"):
                self.writers[writer].append(written, moves)
            return
        seqs = self.writers[writer].append(written, moves)
        assert seqs == range(len(self.log) + 1, len(self.log) + len(written) + 1)
        self.log += written
        self.checkpoints |= {move.name: move.new for move in moves if move.new}
        self.last[writer] = self.receipts[first_moved(moves)] = Asked(written, moves, seqs)

    @rule(writer=writers, written=blocks, name=names, behind=st.integers(1, 3))
    def append_too_late(self, writer: str, written: list[Event], name: str, behind: int) -> None:
        at = self.checkpoints.get(name, 0)
        if at < behind:
            return
        moves = [Move(name, at - behind, at + 9)]
        with pytest.raises(FencedError) as refused:
            self.writers[writer].append(written, moves)
        assert refused.value.found == at

    @precondition(lambda self: self.last)
    @rule(data=st.data(), restarted=st.booleans())
    def retry(self, data: st.DataObject, restarted: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.last)))
        asked = self.last[name]
        writer = self.writer(name) if restarted else self.writers[name]
        if self.receipts[first_moved(asked.moves)] is asked:
            assert writer.append(asked.events, asked.moves) == asked.seqs
        else:
            with pytest.raises(FencedError):
                writer.append(asked.events, asked.moves)

    @precondition(lambda self: self.last)
    @rule(data=st.data(), writer=writers)
    def imitate(self, data: st.DataObject, writer: str) -> None:
        """Another writer with the same words is not the first writer."""
        name = data.draw(st.sampled_from(sorted(self.last)))
        if name != writer:
            with pytest.raises(FencedError):
                self.writers[writer].append(self.last[name].events, self.last[name].moves)

    @rule(first=st.integers(1, 30), size=st.integers(0, 30))
    def read_range(self, first: int, size: int) -> None:
        assert everything(self.reader, first, first + size - 1) == self.log[first - 1 : first + size - 1]

    @rule(limit=st.integers(1, 4))
    def follow(self, limit: int) -> None:
        for block in self.reader.tail(self.followed, timeout=0, limit=limit):
            assert block.first == self.followed + 1
            assert block.events == self.log[self.followed : block.last]
            self.followed = block.last

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def look_from_anywhere(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(0, len(self.log)))
        seen = [event for block in self.reader.tail(after, timeout=0, limit=2) for event in block.events]
        assert seen == self.log[after : after + len(seen)]
        assert seen or after == len(self.log)

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.reader.last_seq() == len(self.log)
        assert self.reader.checkpoints() == self.checkpoints

    def teardown(self) -> None:
        with self.open:
            written = b"".join(map(codec().encode_one, self.log))
            assert self.reader.digest() == hashlib.sha256(written).hexdigest()
            assert self.reader.check().problem is None


@pytest.mark.hypothesis
def test_the_ledger_behaves_as_a_list_of_events_and_a_dictionary_of_checkpoints(redis_url: str) -> None:
    class Machine(LedgerMachine):
        url = redis_url

    run_state_machine_as_test(Machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))
