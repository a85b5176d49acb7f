import ctypes
from pathlib import Path

import pytest

from sie.training.memory import _malloc_trim, return_freed_memory

STATUS = Path("/proc/self/status")


def resident_mb():
    line = next(text for text in STATUS.read_text().splitlines() if text.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


@pytest.mark.skipif(
    not STATUS.exists() or _malloc_trim() is None, reason="needs Linux with the GNU C library"
)
def test_freed_pieces_between_kept_ones_go_back_to_the_system():
    pieces = [bytes(20_000) for _ in range(10_000)]
    kept = pieces[::10]
    del pieces
    before = resident_mb()
    return_freed_memory()
    assert before - resident_mb() > 100
    assert len(kept) == 1000


def test_another_c_library_is_left_alone(monkeypatch):
    _malloc_trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert _malloc_trim() is None
    return_freed_memory()
    _malloc_trim.cache_clear()
