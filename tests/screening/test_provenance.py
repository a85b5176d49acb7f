import shutil
from pathlib import Path

import sie
from sie.screening.provenance import SOURCES, sources_hash


def test_the_hash_follows_every_source_and_nothing_else(tmp_path):
    root = Path(sie.__file__).parent
    for name in SOURCES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    before = sources_hash(tmp_path)
    assert before == sources_hash()
    (tmp_path / "models" / "other.py").write_text("x = 1\n")
    assert sources_hash(tmp_path) == before
    hashes = {before}
    for name in SOURCES:
        with (tmp_path / name).open("a") as handle:
            handle.write("# changed\n")
        hashes.add(sources_hash(tmp_path))
    assert len(hashes) == len(SOURCES) + 1
