"""What the carrier's phones heard: recordings, those that still grow included."""

import wave
from pathlib import Path

from ari_app.asterisk.tones import FRAME_S

WAV_HEADER = 44
LOUD = 500  # of 32768: anything that is heard


def recordings_of(directory: Path, number: str) -> list[Path]:
    """A phone's recordings, the oldest first."""
    return sorted(directory.glob(f"{number}-*.wav"), key=lambda path: path.stat().st_ctime)


def growing(recording: Path) -> Path:
    """A copy of a recording that still grows, with its length in its header."""
    samples = recording.read_bytes()[WAV_HEADER:]
    copy = recording.with_suffix(".part")
    with wave.open(str(copy), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples[: len(samples) // 2 * 2])
    return copy


def loud_s(recording: Path) -> float:
    """Seconds in which anything is heard."""
    with wave.open(str(growing(recording))) as file:
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    size = int(8000 * FRAME_S)
    frames = [samples[start : start + size] for start in range(0, len(samples) - size, size)]
    return FRAME_S * sum(max(map(abs, frame)) > LOUD for frame in frames)
