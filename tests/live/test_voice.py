"""Who hears whom, and when: each phone of the carrier sends its own tone and records what it hears."""

import asyncio
import wave
from pathlib import Path

import pytest

from ari_app.asterisk.carrier import AGENT_TONE_HZ, CUSTOMER_TONE_HZ, CarrierCall
from ari_app.asterisk.tones import AUDIBLE_DBFS, FRAME_S, heard_s, levels
from ari_app.domain.callback import Acceptance, Callback, State

from .office import Office
from .recordings import WAV_HEADER, growing, loud_s
from .waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

RINGBACK_HZ = 400  # indications.conf, jp
SILENT_DBFS = AUDIBLE_DBFS - 20


async def test_both_hear_each_other_and_nobody_themselves(office: Office) -> None:
    call = await office.place("33", "32")
    await office.reached(call, State.TALKING)
    await _both_heard(office, call)
    await asyncio.to_thread(office.carrier.hang_up, call.customer_number)
    await office.ended(call)

    agent, customer = await _phones(office, call)
    for phone, others, own in (
        (agent, CUSTOMER_TONE_HZ, AGENT_TONE_HZ),
        (customer, AGENT_TONE_HZ, CUSTOMER_TONE_HZ),
    ):
        assert heard_s(phone.recording, others) > 1
        assert min(levels(phone.recording, others)[2:]) > AUDIBLE_DBFS, "the voice was broken off"
        assert max(levels(phone.recording, own)) < SILENT_DBFS


async def test_the_agent_hears_the_network_ring_and_the_customer_only_once_answered(office: Office) -> None:
    """Number 03: four seconds of the network's ringback as early media, then an answer, words, and a tone."""
    call = await office.place("33", "03")
    talking = await office.reached(call, State.TALKING)
    assert talking.agent_answered_at is not None
    assert talking.talking_at is not None
    agent_recording = await eventually(lambda: _recording(office, call.agent_number))
    await eventually(lambda: heard_s(growing(agent_recording), CUSTOMER_TONE_HZ) > 0.5, 12)
    await asyncio.to_thread(office.carrier.hang_up, call.customer_number)
    await office.ended(call)

    agent, customer = await _phones(office, call)
    waited_s = (talking.talking_at - talking.agent_answered_at).total_seconds()
    answered = round(waited_s / FRAME_S)
    ringback = levels(agent.recording, RINGBACK_HZ)[:answered]
    assert FRAME_S * sum(level > AUDIBLE_DBFS for level in ringback) > 0.8
    assert max(levels(agent.recording, CUSTOMER_TONE_HZ)[: answered - 2]) < AUDIBLE_DBFS
    assert max(levels(customer.recording, RINGBACK_HZ)) < SILENT_DBFS


async def test_the_agent_hears_the_networks_announcement(office: Office) -> None:
    """Number 14: an announcement as early media, then 404."""
    call = await office.place("33", "14")
    await office.ended(call)
    agent = await office.phone(call.agent_number)
    await _complete(agent.recording)
    assert loud_s(agent.recording) > 2


async def test_the_prompt_asks_the_agent_for_the_key(office: Office) -> None:
    """Number 23 presses nothing: all it hears is the prompt."""
    call = await office.place("23", "32", Acceptance.PRESS1)
    await office.ended(call)
    agent = await office.phone(call.agent_number)
    await _complete(agent.recording)
    assert loud_s(agent.recording) > 1
    assert not office.carrier.calls(call.customer_number)


async def test_nobody_hears_anything_after_the_end(office: Office) -> None:
    """One hangs up: the other is cut off within a fifth of a second, and hears nothing but the conversation."""
    call = await office.place("33", "32")
    await office.reached(call, State.TALKING)
    await _both_heard(office, call)
    await asyncio.to_thread(office.carrier.hang_up, call.customer_number)
    await office.ended(call)

    agent, customer = await _phones(office, call)
    assert agent.ended_at is not None
    assert customer.ended_at is not None
    assert abs((agent.ended_at - customer.ended_at).total_seconds()) < 0.2
    for phone in (agent, customer):
        assert phone.answered_at is not None
        assert phone.ended_at is not None
        assert _seconds(phone.recording) < (phone.ended_at - phone.answered_at).total_seconds() + 0.1


async def _both_heard(office: Office, call: Callback) -> None:
    """Wait until each phone has heard the other for more than a second."""
    for number, tone in ((call.agent_number, CUSTOMER_TONE_HZ), (call.customer_number, AGENT_TONE_HZ)):
        recording = await eventually(lambda number=number: _recording(office, number))
        await eventually(lambda recording=recording, tone=tone: heard_s(growing(recording), tone) > 1.2)


async def _phones(office: Office, call: Callback) -> tuple[CarrierCall, CarrierCall]:
    """The carrier's records of both phones, their recordings complete."""
    agent, customer = await office.phone(call.agent_number), await office.phone(call.customer_number)
    await _complete(agent.recording)
    await _complete(customer.recording)
    return agent, customer


def _recording(office: Office, number: str) -> Path | None:
    found = [call.recording for call in office.carrier.calls(number)]
    return found[0] if found and found[0].exists() else None


async def _complete(recording: Path) -> None:
    """Asterisk writes the WAV header, with the length in it, when the recording ends."""
    await eventually(lambda: _seconds(recording) * 16000 + WAV_HEADER >= recording.stat().st_size - 320)


def _seconds(recording: Path) -> float:
    with wave.open(str(recording)) as file:
        return file.getnframes() / file.getframerate()
