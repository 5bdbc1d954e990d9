"""Whether a recording holds a tone: how voice is proven to have gone from one phone to the other."""

import math
import struct
import wave
from pathlib import Path

FRAME_S = 0.05  # long enough to tell tones 20 Hz apart
FULL_SCALE = 32767
AUDIBLE_DBFS = -36.0  # crosstalk and noise stay 20 dB below it
SILENCE_DBFS = -100.0


def heard_s(recording: Path, hz: int) -> float:
    """Seconds of `recording` (mono 16-bit WAV) in which a tone of `hz` is heard."""
    return FRAME_S * sum(level >= AUDIBLE_DBFS for level in levels(recording, hz))


def levels(recording: Path, hz: int) -> list[float]:
    """The level of the tone `hz` in each FRAME_S of `recording` (mono 16-bit WAV), in dB of full scale."""
    with wave.open(str(recording)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise ValueError(f"not mono 16-bit: {recording}")
        rate = file.getframerate()
        size = int(rate * FRAME_S)
        found = []
        while len(frame := file.readframes(size)) == 2 * size:
            found.append(_dbfs(_amplitude(struct.unpack(f"<{size}h", frame), hz, rate)))
        return found


def _amplitude(samples: tuple[int, ...], hz: int, rate: int) -> float:
    """The amplitude of one frequency, by Goertzel's algorithm."""
    coefficient = 2 * math.cos(2 * math.pi * hz / rate)
    before, last = 0.0, 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    power = before * before + last * last - coefficient * before * last
    return 2 * math.sqrt(max(power, 0.0)) / len(samples)


def _dbfs(amplitude: float) -> float:
    return max(SILENCE_DBFS, 20 * math.log10(amplitude / FULL_SCALE)) if amplitude else SILENCE_DBFS
