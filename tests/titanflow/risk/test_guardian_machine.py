"""The guardian under any interleaving of ticks, signals, fills, cancels, operators and clocks: what must always hold.

The machine keeps books of its own in plain integer arithmetic, so that the limits are checked from outside the code.
"""

import pickle
from collections import Counter

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.risk_driver import AAPL, CLOSE, COIN, DAY, FLOORS, OPEN, SECOND, Driver, limits, refold
from titanflow.domain.events import (
    Event,
    KillSwitchTripped,
    ModelRolledBack,
    OrderApproved,
    OrderDenied,
    OrderHeld,
    OrderSubmitted,
    RiskCommandIssued,
    SignalGenerated,
)
from titanflow.domain.types import SCALE, DenialCode, OperatorAction, OrderPurpose, RiskCommand, Side, decimal_of, fixed

CONTENDERS = ("alpha", "beta")
NAMES = (AAPL, COIN)
CASH = fixed("100000")
LIMITS = limits(
    max_daily_loss=fixed("0.01"),
    total_max_daily_loss=fixed("0.015"),
    max_drawdown=fixed("0.02"),
    total_max_drawdown=fixed("0.03"),
    max_consecutive_losses=3,
    max_position=fixed("0.4"),
    max_gross_exposure=fixed("0.6"),
    total_max_gross_exposure=fixed("0.5"),
    max_orders_per_minute=8,
    hold_expiry_seconds=30,
    performance_check_interval=1,
    allow_short=True,
)
contenders = st.sampled_from(CONTENDERS)
names = st.sampled_from(NAMES)
sides = st.sampled_from(Side)


class Shadow:
    """Cash and signed quantities, and nothing else."""

    def __init__(self) -> None:
        self.cash = CASH
        self.held: dict[str, int] = dict.fromkeys(NAMES, 0)

    def trade(self, name: str, signed: int, price: int) -> None:
        self.cash -= signed * price // SCALE  # whole cents and whole thousandths: exact
        self.held[name] += signed

    def equity(self, marks: dict[str, int]) -> int:
        return self.cash + sum(held * marks[name] // SCALE for name, held in self.held.items() if held)

    def gross(self, marks: dict[str, int]) -> int:
        return sum(abs(held) * marks[name] // SCALE for name, held in self.held.items() if held)


class GuardianMachine(RuleBasedStateMachine):
    @initialize(rolls_back=st.booleans(), shorts=st.booleans())
    def open(self, rolls_back: bool, shorts: bool) -> None:
        floors = FLOORS | {"rollback_min_accuracy": 0.9} if rolls_back else {}
        self.session = Driver(CONTENDERS, risk=msgspec.structs.replace(LIMITS, allow_short=shorts, **floors))
        self.marks: dict[str, int] = {}
        self.shadows = {each: Shadow() for each in CONTENDERS}
        self.working: dict[str, OrderApproved | OrderSubmitted] = {}
        self.entry_prices: dict[str, int] = {}
        self.halted: set[str] = set()
        self.to_liquidate: list[str] = []
        self.held: dict[str, OrderHeld] = {}
        self.held_ever: Counter[str] = Counter()
        self.ended_holds: Counter[str] = Counter()
        self.verdicts: dict[int, list[Event]] = {}
        self.ended = False
        for name in NAMES:
            self.tick(name, 10_000)

    # --- the world ---------------------------------------------------------------------------------------------------

    @rule(name=names, cents=st.integers(9_000, 11_000))
    def tick(self, name: str, cents: int) -> None:
        price = cents * SCALE // 100
        self.marks[name] = price
        assert self.session.tick(str(decimal_of(price)), name) == []

    @rule(contender=contenders, name=names, side=sides)
    def good_signal(self, contender: str, name: str, side: Side) -> None:
        self.signal(contender, name, side, 0.9, 1)

    @rule(
        contender=contenders,
        name=names,
        side=sides,
        confidence=st.sampled_from((0.9, 0.9, 0.1)),
        atr=st.sampled_from((1, 1, 2, 3, 0)),
    )
    def signal(self, contender: str, name: str, side: Side, confidence: float, atr: int) -> None:
        held = self.shadows[contender].held[name]
        entering = any(
            order.purpose is OrderPurpose.ENTRY and order.side is side.opposite
            for order in self._working_on(contender, name)
        )
        decisions = self.session.signal(side, name, contender, atr=str(atr), confidence=confidence)
        seq = self._last_seq()
        self.verdicts[seq] = []
        self._note(decisions)
        own = [each for each in decisions if each.signal == seq]
        if held * side.sign < 0 and not any(o.purpose in CLOSING for o in self._others(contender, name, own)):
            (order,) = own
            assert isinstance(order, OrderApproved), "an exit is never refused"
            assert (order.purpose, order.quantity) == (OrderPurpose.EXIT, abs(held))
        elif not entering:
            assert len(own) == 1, "a signal that waits for no entry has its verdict at once"

    @precondition(lambda self: self.working)
    @rule()
    def fill_the_oldest(self) -> None:
        self._fill(next(iter(self.working.values())), 4, 0)

    @precondition(lambda self: self.working)
    @rule(data=st.data(), share=st.integers(1, 4), drift=st.integers(-200, 200))
    def fill(self, data: st.DataObject, share: int, drift: int) -> None:
        self._fill(self.working[data.draw(st.sampled_from(sorted(self.working)))], share, drift)

    def _fill(self, order: OrderApproved | OrderSubmitted, share: int, drift: int) -> None:
        shadow, name = self.shadows[order.contender], order.instrument
        remaining = self.session.remaining[order.order_id]
        if order.purpose in CLOSING:
            remaining = min(remaining, max(0, -order.side.sign * shadow.held[name]))
        step = SCALE if name == AAPL else SCALE // 1000
        quantity = max(remaining * share // 4 // step * step, min(step, remaining))
        if not quantity:
            self._cancel(order, DenialCode.POSITION_CLOSED)
            return
        price = self.marks[name] + drift * SCALE // 100
        shadow.trade(name, order.side.sign * quantity, price)
        decisions = self.session.fill(order, str(decimal_of(price)), str(decimal_of(quantity)))
        if not self.session.remaining[order.order_id]:
            del self.working[order.order_id]
        self._note(decisions)
        self._drawdown_was_seen([order.contender])
        if not shadow.held[name] and order.purpose in CLOSING:
            for other in self._working_on(order.contender, name):
                if other.purpose in CLOSING:
                    self._cancel(other, DenialCode.POSITION_CLOSED)

    @precondition(lambda self: self.working)
    @rule(data=st.data(), reject=st.booleans())
    def lose_order(self, data: st.DataObject, reject: bool) -> None:
        order = self.working[data.draw(st.sampled_from(sorted(self.working)))]
        untouched = isinstance(order, OrderApproved) and self.session.remaining[order.order_id] == order.quantity
        if reject and untouched:
            del self.working[order.order_id]
            self._note(self.session.reject(order))
        else:
            self._cancel(order, DenialCode.BUYING_POWER)

    @precondition(lambda self: self.to_liquidate)
    @rule()
    def obey_liquidation(self) -> None:
        scope = self.to_liquidate.pop(0)
        for order in list(self.working.values()):
            if scope in ("", order.contender):
                self._cancel(order, DenialCode.LIQUIDATION)
        for contender in [scope] if scope else CONTENDERS:
            for name, held in self.shadows[contender].held.items():
                if held:
                    order = self.session.submit_liquidation(contender, name, held)
                    self.working[order.order_id] = order

    @rule(seconds=st.sampled_from((1, 1, 1, 1, 5, 5, 31, 61)))
    def clock(self, seconds: int) -> None:
        self._clock(self.session.at + seconds * SECOND)

    @rule(jump=st.sampled_from((0, 0, 0, 1, 2)))
    def jump(self, jump: int) -> None:
        """Now and then over the last minute of the day, or to the next morning."""
        today = self.session.at // DAY * DAY
        self._clock(max(self.session.at, (self.session.at, today + CLOSE - 60 * SECOND, today + DAY + OPEN)[jump]))

    def _clock(self, at: int) -> None:
        self._note(self.session.clock(at))
        self._drawdown_was_seen(CONTENDERS)

    @precondition(lambda self: self.session.seq > 60)
    @rule(scope=st.sampled_from(("alpha", "alpha", "")), action=st.sampled_from(("kill", "liquidate")))
    def stop(self, scope: str, action: str) -> None:
        self._note(self.session.operator(OperatorAction(action), scope))
        assert scope in self.halted

    @precondition(lambda self: self.halted)
    @rule(scope=st.sampled_from(("", *CONTENDERS)))
    def resume(self, scope: str) -> None:
        self._note(self.session.operator(OperatorAction.RESUME, scope))
        self.halted -= {scope} if scope else {"", *CONTENDERS}

    @precondition(lambda self: self.held_ever)
    @rule(data=st.data(), approve=st.booleans())
    def answer(self, data: st.DataObject, approve: bool) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.held_ever)))
        known = order_id in self.held
        action = OperatorAction.APPROVE if approve else OperatorAction.DENY
        (verdict,) = self.session.operator(action, order_id=order_id)
        if known:
            self._note([verdict])
        else:
            assert isinstance(verdict, OrderDenied)
            assert verdict.code is DenialCode.UNKNOWN_ORDER

    @rule()
    def restart(self) -> None:
        """A process dies and goes on from its snapshot."""
        self.session.guardian = pickle.loads(pickle.dumps(self.session.guardian))

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def its_books_are_the_shadow_books(self) -> None:
        for name, shadow in self.shadows.items():
            portfolio = self.session.guardian.house.books[name].portfolio
            assert portfolio.conserved
            assert portfolio.equity(self.marks) == shadow.equity(self.marks)

    @invariant()
    def it_knows_the_orders_that_work(self) -> None:
        for name in CONTENDERS:
            known = self.session.guardian.house.books[name].working
            assert {each: order.remaining for each, order in known.items()} == {
                each: self.session.remaining[each] for each, order in self.working.items() if order.contender == name
            }

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        self.ended = True
        self._note(self.session.end())
        for order in list(self.working.values()):
            self._cancel(order, DenialCode.SESSION_ENDED)
        assert self.held == {}
        assert self.ended_holds == self.held_ever, "each hold ends exactly once"
        for given in self.verdicts.values():
            denials = [each for each in given if isinstance(each, OrderDenied)]
            entries = [each for each in given if isinstance(each, OrderApproved) and each.purpose == OrderPurpose.ENTRY]
            exits = [each for each in given if isinstance(each, OrderApproved) and each.purpose == OrderPurpose.EXIT]
            assert len(denials) + len(entries) + bool(exits) == 1, "a signal is answered one way"
        recorded = [decisions for _, _, decisions in self.session.steps]
        assert refold(self.session.steps) == recorded

    # --- book keeping ------------------------------------------------------------------------------------------------

    def _last_seq(self) -> int:
        seq, event, _ = self.session.steps[-1]
        assert isinstance(event, SignalGenerated)
        return seq

    def _working_on(self, contender: str, name: str) -> list[OrderApproved | OrderSubmitted]:
        return [each for each in self.working.values() if (each.contender, each.instrument) == (contender, name)]

    def _others(self, contender: str, name: str, own: list[Event]) -> list[OrderApproved | OrderSubmitted]:
        return [each for each in self._working_on(contender, name) if each not in own]

    def _cancel(self, order: OrderApproved | OrderSubmitted, code: DenialCode) -> None:
        del self.working[order.order_id]
        self._note(self.session.cancel(order, code))

    def _note(self, decisions: list[Event]) -> None:
        for decision in decisions:
            match decision:
                case OrderApproved():
                    self._note_approval(decision)
                case OrderHeld():
                    self.held[decision.order_id] = decision
                    self.held_ever[decision.order_id] += 1
                case OrderDenied():
                    self._end_hold(decision.order_id)
                    self.verdicts[decision.signal].append(decision)
                case KillSwitchTripped():
                    self.halted.add(decision.contender)
                case RiskCommandIssued(command=RiskCommand.LIQUIDATE_ALL):
                    self.to_liquidate.append(decision.contender)
                case ModelRolledBack() | RiskCommandIssued():
                    continue

    def _note_approval(self, order: OrderApproved) -> None:
        assert not self.ended, "nothing is approved after the session's end"
        self._end_hold(order.order_id)
        if order.signal:
            self.verdicts[order.signal].append(order)
        if order.purpose is OrderPurpose.ENTRY:
            self._check_entry(order)
        self.working[order.order_id] = order
        self.entry_prices[order.order_id] = order.decision_price

    def _end_hold(self, order_id: str) -> None:
        if self.held.pop(order_id, None):
            self.ended_holds[order_id] += 1

    def _check_entry(self, order: OrderApproved) -> None:
        assert not self.halted & {"", order.contender}, "no entry after the kill switch until RESUME"
        assert not self._working_on(order.contender, order.instrument), "one order at a time"
        shadow, price = self.shadows[order.contender], self.marks[order.instrument]
        size = abs(shadow.held[order.instrument]) + order.quantity
        assert size * price <= shadow.equity(self.marks) * LIMITS.max_position, "position within its limit"
        value = order.quantity * price // SCALE
        gross = {name: each.gross(self.marks) + self._pending(name) for name, each in self.shadows.items()}
        limit = shadow.equity(self.marks) * LIMITS.max_gross_exposure // SCALE
        assert gross[order.contender] + value <= limit, "gross exposure within its limit"
        total = sum(each.equity(self.marks) for each in self.shadows.values())
        assert sum(gross.values()) + value <= total * LIMITS.total_max_gross_exposure // SCALE
        risked = order.quantity * abs(price - order.stop_price)
        assert risked <= shadow.equity(self.marks) * LIMITS.risk_per_trade, "the stop loses no more than its fraction"
        assert (price - order.stop_price) * order.side.sign > 0

    def _pending(self, contender: str) -> int:
        return sum(
            self.session.remaining[order.order_id] * self.entry_prices[order.order_id] // SCALE
            for order in self.working.values()
            if order.contender == contender and order.purpose is OrderPurpose.ENTRY
        )

    def _drawdown_was_seen(self, checked: tuple[str, ...] | list[str]) -> None:
        """After a check, whoever is at the drawdown limit with a position is halted."""
        house = self.session.guardian.house
        for contender in checked:
            shadow = self.shadows[contender]
            opening = house.books[contender].switch.daily.mark
            lost = opening - shadow.equity(self.marks)
            if any(shadow.held.values()) and lost * SCALE >= opening * LIMITS.max_daily_loss:
                assert self.halted & {"", contender}


CLOSING = (OrderPurpose.EXIT, OrderPurpose.SESSION_CLOSE, OrderPurpose.LIQUIDATION)

TestGuardianMachine = GuardianMachine.TestCase
TestGuardianMachine.settings = settings(max_examples=60, stateful_step_count=100, deadline=None)
