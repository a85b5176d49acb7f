"""Weights are checked against the shapes and values of the network that keras loads."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

from sie.errors import InputError
from sie.features import weights as module
from sie.features.weights import bundled_path, bundled_weights, read_weights


def test_the_bundled_file_is_the_published_one():
    weights = bundled_weights()
    assert weights.sha256 == module.MODEL_SHA256
    assert weights.embedding.shape == (95, 16)
    assert (weights.n_centres, weights.width_angstrom) == (100, 0.5)
    assert (weights.cutoff_angstrom, weights.last_centre_angstrom) == (5.0, 6.0)
    assert len(weights.blocks) == 3


def test_layers_fit_one_another():
    for k, block in enumerate(bundled_weights().blocks):
        first = {"atom": 16, "bond": 100, "state": 2} if k == 0 else dict.fromkeys(module.PARTS, 32)
        joined = {"atom": 96, "bond": 128, "state": 96}
        for part in module.PARTS:
            for layers, width in ((block.feed_forward, first), (block.update, joined)):
                n_in = width[part]
                for kernel, bias in layers[part]:
                    assert kernel.dtype == bias.dtype == np.float32
                    assert kernel.shape == (n_in, len(bias))
                    n_in = len(bias)
                assert n_in == 32
        assert [len(block.update[part]) for part in module.PARTS] == [3, 3, 3]


def test_reading_needs_neither_tensorflow_nor_maml():
    code = (
        "import sys; from sie.features.weights import bundled_weights; bundled_weights();"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'maml', 'megnet', 'pymatgen')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_another_file_in_its_place_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / "formation_energy.hdf5"
    shutil.copy(bundled_path(), changed)
    shutil.copy(f"{bundled_path()}.json", f"{changed}.json")
    import h5py

    with h5py.File(changed, "r+") as handle:
        handle["model_weights/embedding_1/embedding_1/embeddings:0"][3, 0] += 1
    assert read_weights(changed).sha256 != module.MODEL_SHA256
    monkeypatch.setattr(module, "bundled_path", lambda: changed)
    with pytest.raises(InputError, match="SHA-256"):
        bundled_weights.__wrapped__()


def test_without_maml_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install maml"):
        bundled_path()
