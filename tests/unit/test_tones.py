"""A tone is heard where it is, as long as it lasts, and no other is taken for it."""

import wave
from pathlib import Path

import numpy as np
import pytest

from ari_app.asterisk.tones import heard_s

RATE_HZ = 8000


def record(file: Path, *parts: tuple[int, float, int]) -> Path:
    """A WAV of parts, each (Hz, seconds, amplitude)."""
    sound = [
        amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)
        for hz, seconds, amplitude in parts
    ]
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(np.concatenate(sound).astype("<i2").tobytes())
    return file


def test_tone_among_others(tmp_path: Path) -> None:
    file = record(tmp_path / "a.wav", (600, 1, 8000), (1000, 2, 8000), (440, 1, 8000))
    assert heard_s(file, 1000) == pytest.approx(2, abs=0.1)
    assert heard_s(file, 600) == pytest.approx(1, abs=0.1)
    assert heard_s(file, 1400) == 0


def test_faint_crosstalk_and_noise_are_not_voice(tmp_path: Path) -> None:
    assert heard_s(record(tmp_path / "a.wav", (1000, 1, 40)), 1000) == 0
    silence = record(tmp_path / "b.wav", (1000, 1, 0))
    assert heard_s(silence, 1000) == 0
