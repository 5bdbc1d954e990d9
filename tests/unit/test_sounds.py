"""Every prompt of sounds/prompts.toml is a wav that Asterisk's format_wav plays at telephone level."""

import tomllib
import wave
from pathlib import Path

import numpy as np
import pytest

SOUNDS = Path(__file__).parents[2] / "sounds"
PROMPTS = tomllib.loads((SOUNDS / "prompts.toml").read_text(encoding="utf-8"))["prompt"]

RATE_HZ = 8000
SILENCE_S = 0.1  # at each end
ALL_FILES_BYTES = 2_000_000


@pytest.mark.parametrize("name", PROMPTS)
def test_prompt_is_playable_speech(name: str) -> None:
    text = PROMPTS[name]["text"]
    with wave.open(str(SOUNDS / "ja" / f"{name}.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768

    character_s = (len(samples) / RATE_HZ - 2 * SILENCE_S) / len(text)
    assert 0.08 < character_s < 0.4, f"{character_s:.2f} s a character: not this text"
    assert np.abs(samples).max() < 0.95, "clipped, or about to be"
    assert -25 < dbfs(samples) < -18, "not at telephone level"

    margin = int(SILENCE_S / 2 * RATE_HZ)
    assert dbfs(samples[:margin]) < -50, "starts without silence"
    assert dbfs(samples[-margin:]) < -50, "ends without silence"


def test_agent_hears_what_to_press_within_five_seconds() -> None:
    with wave.open(str(SOUNDS / "ja" / "press-1.wav")) as file:
        assert file.getnframes() <= 5 * RATE_HZ


def test_files_are_the_prompts_and_small() -> None:
    files = {
        path.relative_to(SOUNDS / "ja").with_suffix("").as_posix(): path.stat().st_size
        for path in (SOUNDS / "ja").rglob("*.wav")
    }
    assert files.keys() == PROMPTS.keys()
    assert sum(files.values()) < ALL_FILES_BYTES


def dbfs(samples: np.ndarray) -> float:
    """RMS relative to full scale, in dB; digital silence is -120."""
    return float(10 * np.log10(np.mean(samples**2) + 1e-12))
