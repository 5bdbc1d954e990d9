"""The numbers of the benchmark: one agent and one customer a slot; a slot has one call at a time."""

COMPANY = "0312345678"
_AGENT = "0901000"
_CUSTOMER = "0801000"


def agent_number(slot: int) -> str:
    """The agent's phone of a slot (0 to 9999)."""
    return f"{_AGENT}{slot:04d}"


def customer_number(slot: int) -> str:
    """The customer's phone of a slot (0 to 9999)."""
    return f"{_CUSTOMER}{slot:04d}"


def slot_of(number: str) -> tuple[int, bool]:
    """(slot, whether it is the agent's phone)."""
    return int(number[-4:]), number.startswith(_AGENT)
