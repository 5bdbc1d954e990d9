"""Whether a recording holds a tone: how voice is proven to have gone from one phone to the other."""

import math
import struct
import wave
from pathlib import Path

FRAME_S = 0.05  # long enough to tell tones 20 Hz apart
AUDIBLE = 500  # amplitude of 16-bit samples: crosstalk and noise stay below a tenth of it


def heard_s(recording: Path, hz: int) -> float:
    """Seconds of `recording` (mono 16-bit WAV) in which a tone of `hz` is heard."""
    with wave.open(str(recording)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise ValueError(f"not mono 16-bit: {recording}")
        rate = file.getframerate()
        size = int(rate * FRAME_S)
        audible = 0
        while len(frame := file.readframes(size)) == 2 * size:
            audible += _amplitude(struct.unpack(f"<{size}h", frame), hz, rate) >= AUDIBLE
    return audible * FRAME_S


def _amplitude(samples: tuple[int, ...], hz: int, rate: int) -> float:
    """The amplitude of one frequency, by Goertzel's algorithm."""
    coefficient = 2 * math.cos(2 * math.pi * hz / rate)
    before, last = 0.0, 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    power = before * before + last * last - coefficient * before * last
    return 2 * math.sqrt(max(power, 0.0)) / len(samples)
