"""What operators count and time. No label ever holds a phone number, a login or an id."""

from collections import Counter as Counts
from collections.abc import AsyncIterator, Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from ari_app.domain.callback import Callback, State
from ari_app.domain.leg import Leg
from ari_app.domain.reconciliation import Kind, Tally
from ari_app.ports import Event

RING_BUCKETS_S = (0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90)
TALK_BUCKETS_S = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "kakehashi_calls", "Calls that ended, by result and reason.", ["result", "reason"], registry=self.registry
        )
        self._ring = Histogram(
            "kakehashi_ring_seconds",
            "From the first ringing of a leg to its answer or its end.",
            ["leg", "answered"],
            buckets=RING_BUCKETS_S,
            registry=self.registry,
        )
        self._answer = Histogram(
            "kakehashi_answer_seconds",
            "From the dialling of a leg to its answer.",
            ["leg"],
            buckets=RING_BUCKETS_S,
            registry=self.registry,
        )
        self._talk = Histogram(
            "kakehashi_talk_seconds",
            "How long agent and customer talked.",
            buckets=TALK_BUCKETS_S,
            registry=self.registry,
        )
        self._open = Gauge(
            "kakehashi_open_calls", "Calls that have not ended, by state.", ["state"], registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    async def follow(self, events: AsyncIterator[Event]) -> None:
        """Count the calls whose end is told, without end."""
        async for event in events:
            if event.callback.state is State.ENDED:
                self.ended(event.callback)

    def ended(self, call: Callback) -> None:
        """Count one ended call."""
        self._calls.labels(call.result or "", call.reason or "").inc()
        for leg in call.legs:
            self._time(leg)
        if call.talking_at and call.ended_at:
            self._talk.observe((call.ended_at - call.talking_at).total_seconds())

    def open(self, calls: Iterable[Callback]) -> None:
        """State which calls are open now."""
        counts = Counts(call.state for call in calls)
        for state in State:
            if state is not State.ENDED:
                self._open.labels(state).set(counts[state])

    def gauge(self, name: str, documentation: str) -> Gauge:
        """A gauge, to be set or to be given a function."""
        return Gauge(name, documentation, registry=self.registry)

    def tally(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """A counter that another object keeps: `read` gives its present value."""
        self.registry.register(_Tally(name, documentation, read))

    def reconciled(self, tally: Tally) -> None:
        """The counters of the reconciliation, which keeps them."""
        self.tally("kakehashi_cdr_compared_legs", "Legs compared with Asterisk's own records.", lambda: tally.legs)
        self.registry.register(_Findings(tally))

    def _time(self, leg: Leg) -> None:
        if leg.started_at and leg.answered_at:
            self._answer.labels(leg.role.word).observe((leg.answered_at - leg.started_at).total_seconds())
        until = leg.answered_at or leg.ended_at
        if leg.ringing_at and until:
            answered = "yes" if leg.answered_at else "no"
            self._ring.labels(leg.role.word, answered).observe((until - leg.ringing_at).total_seconds())


class _Tally(Collector):
    def __init__(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        self._name = name
        self._documentation = documentation
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The present value."""
        yield CounterMetricFamily(self._name, self._documentation, value=self._read())


class _Findings(Collector):
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterable[Metric]:
        """The present values: every kind is there from the start, so that an alert can see the first one."""
        family = CounterMetricFamily(
            "kakehashi_cdr_findings", "Legs whose row and Asterisk's records disagree, by kind.", labels=["kind"]
        )
        for kind in Kind:
            family.add_metric([kind], self._tally.findings[kind])
        yield family
