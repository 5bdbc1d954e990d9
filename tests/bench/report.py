"""What the rounds say: medians, 95th percentiles, and ratios to the raw ARI loop over the same transport."""

import statistics
from dataclasses import dataclass, field
from typing import Any, Self

Seen = tuple[float, float | None, float | None, float | None, float | None, bool]
REFERENCE = "raw ARI, WebSocket"


@dataclass(frozen=True, slots=True)
class Round:
    """One contender's round. Rates a second, gaps in ms, CPU in ms a call."""

    calls: int
    seconds: float
    rate: float
    failed: int
    errors: list[str]
    orders: float | None
    batches: float | None
    cpu_ms: float
    pbx_cpu_ms: float
    phones_cpu_ms: float
    to_invite_ms: list[float]
    to_agent_ms: list[float]
    to_customer_ms: list[float]

    @classmethod
    def of(cls, result: dict[str, Any], seen: list[Seen], phones_cpu_s: float, pbx_cpu_s: float) -> Self:
        """From a contender's answer, what the phones saw, and CPU seconds."""
        calls, totals = result["calls"], result["totals"]
        whole = [call for call in seen if call[5]]
        recorded = totals.get("recorded")
        unseen = max(0, calls - len(whole), calls - recorded if recorded is not None else 0)
        each = 1000 / max(1, calls)
        return cls(
            calls=calls,
            seconds=result["seconds"],
            rate=max(0, result["in_time"] - unseen) / result["seconds"],
            failed=result["failed"] + unseen,
            errors=result["errors"],
            orders=totals.get("orders"),
            batches=totals.get("batches"),
            cpu_ms=result["cpu_s"] * each,
            pbx_cpu_ms=pbx_cpu_s * each,
            phones_cpu_ms=phones_cpu_s * each,
            to_invite_ms=[(call[1] - call[0]) * 1000 for call in whole if call[1] is not None],
            to_agent_ms=[(call[3] - call[2]) * 1000 for call in whole if call[2] is not None and call[3] is not None],
            to_customer_ms=[
                (call[4] - call[2]) * 1000 for call in whole if call[2] is not None and call[4] is not None
            ],
        )


@dataclass(slots=True)
class Measured:
    """All rounds of one contender."""

    name: str
    load: list[Round] = field(default_factory=list)
    quiet: list[Round] = field(default_factory=list)


def table(measured: list[Measured], concurrency: int, quiet_concurrency: int) -> str:
    """The result as two Markdown tables: under load, and at rest."""
    reference = next((one for one in measured if one.name == REFERENCE), None)
    lines = [
        "",
        f"Under load, {concurrency} calls in flight (median of the rounds; gaps: median / p95)",
        "",
        "| | calls/s | ratio, each turn | failed | agent answer → INVITE, ms | CPU ms a call: client, Asterisk, peer |",
        "|---|---|---|---|---|---|",
    ]
    for one in measured:
        rate = _rate(one)
        invite = _all(one.load, "to_invite_ms")
        cpu = " / ".join(f"{_median(one.load, name):.2f}" for name in ("cpu_ms", "pbx_cpu_ms", "phones_cpu_ms"))
        lines.append(
            f"| {one.name} | {rate:.1f} | {_by_turn(one, reference)} "
            f"| {sum(r.failed for r in one.load)} of {sum(r.calls for r in one.load)} | {_spread(invite)} | {cpu} |"
        )
    lines += [
        "",
        f"At rest, {quiet_concurrency} calls in flight: the gaps a person notices (ms, median / p95; ratio of medians)",
        "",
        "| | calls | agent answer → customer INVITE | ratio | customer answer → voice at the agent | ratio "
        "| … at the customer | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in measured:
        cells = [one.name, str(len(_all(one.quiet, "to_invite_ms")))]
        for name in ("to_invite_ms", "to_agent_ms", "to_customer_ms"):
            values = _all(one.quiet, name)
            base = _all(reference.quiet, name) if reference else []
            cells += [_spread(values), _ratio(_middle(values), _middle(base))]
        lines.append(f"| {' | '.join(cells)} |")
    for one in measured:
        if batches := sum(each.batches or 0 for each in one.load):
            orders, seconds = sum(each.orders or 0 for each in one.load), sum(each.seconds for each in one.load)
            size = f"{orders / batches:.2f} orders each"
            lines += [
                "",
                f"{one.name}: the group writer's commits under load: {batches / seconds:.0f} a second, {size}",
            ]
        lines += [f"{one.name}: {error}" for each in one.load + one.quiet for error in each.errors]
    return "\n".join(lines)


def _rate(one: Measured) -> float:
    return _median(one.load, "rate")


def _by_turn(one: Measured, reference: Measured | None) -> str:
    """The median of each turn's own ratio: what the machine did meanwhile fell on both."""
    if reference is None:
        return "–"
    ratios = [mine.rate / base.rate for mine, base in zip(one.load, reference.load, strict=True) if base.rate]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else "–"


def _median(rounds: list[Round], name: str) -> float:
    return float(statistics.median(getattr(each, name) for each in rounds))


def _all(rounds: list[Round], name: str) -> list[float]:
    return [value for each in rounds for value in getattr(each, name)]


def _middle(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{statistics.median(values):.2f} / {sorted(values)[int(len(values) * 0.95)]:.2f}"


def _ratio(value: float | None, base: float | None) -> str:
    return f"{value / base:.2f}" if value is not None and base else "–"
