"""The cache returns what was computed, and computes again what it cannot trust."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sie.features import sendek_cache as module
from sie.features.sendek import SENDEK_NAMES, SendekSettings, sendek_descriptors
from sie.features.sendek_cache import cached_sendek, cached_sendek_results, sendek_key


@pytest.fixture(scope="module")
def crystals() -> dict[str, Structure]:
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]]
    return {
        "disordered": Structure(Lattice.cubic(6), [{"Li": 0.5}, "Cl", {"Li": 0.3}], places),
        "Li-free": Structure(Lattice.cubic(4.2), ["Na", "Cl"], places[:2]),
    }


def files(folder):
    return sorted(folder.rglob("*.json"))


def forbid(monkeypatch):
    def forbidden(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(module, "sendek_features", forbidden)


def test_a_second_call_reads_what_the_first_wrote(crystals, tmp_path, monkeypatch):
    first = cached_sendek_results(crystals, cache_dir=tmp_path)
    table = cached_sendek(crystals, cache_dir=tmp_path)
    assert table.names == SENDEK_NAMES
    assert table.hash == sendek_descriptors(crystals).hash
    forbid(monkeypatch)
    renamed = {f"new-{entry}": crystal for entry, crystal in crystals.items()}
    second = cached_sendek_results(renamed, cache_dir=tmp_path)
    assert len(files(tmp_path)) == 2
    for one, other in zip(first.values(), second.values(), strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.standard_errors, other.standard_errors)
        assert (one.n_draws, one.converged) == (other.n_draws, other.converged)
        assert other.seconds == pytest.approx(one.seconds, abs=1e-5)


def test_the_default_folder_is_the_cache_s(crystals, private_cache):
    cached_sendek(crystals)
    assert len(files(private_cache / "sendek")) == 2


def test_an_infinite_error_survives(crystals, tmp_path, monkeypatch):
    chosen = SendekSettings(max_draws=1)
    first = cached_sendek_results(crystals, chosen, tmp_path)["disordered"]
    assert np.isinf(first.standard_errors).any()
    forbid(monkeypatch)
    again = cached_sendek_results(crystals, chosen, tmp_path)["disordered"]
    np.testing.assert_array_equal(again.standard_errors, first.standard_errors)
    assert not again.converged


def test_the_key_follows_everything_the_numbers_depend_on(crystals, monkeypatch):
    crystal, default = crystals["disordered"], SendekSettings()
    moved = crystal.copy()
    moved.translate_sites([0], [0.001, 0, 0])
    stretched = Structure(Lattice.cubic(6.01), crystal.species_and_occu, crystal.frac_coords)
    fuller = crystal.copy()
    fuller[0] = {"Li": 0.6}
    other = crystal.copy()
    other[1] = "Br"
    keys = {
        sendek_key(crystal, default),
        sendek_key(moved, default),
        sendek_key(stretched, default),
        sendek_key(fuller, default),
        sendek_key(other, default),
        sendek_key(crystal, SendekSettings(seed=1)),
        sendek_key(crystal, SendekSettings(tolerance=0.02)),
        sendek_key(crystal, SendekSettings(max_draws=10)),
        sendek_key(crystal, SendekSettings(batch=10)),
    }
    assert len(keys) == 9
    monkeypatch.setattr(module, "SENDEK_CODE", "sendek-next")
    assert sendek_key(crystal, default) not in keys


def test_oxidation_states_are_not_part_of_the_key(crystals):
    for crystal in crystals.values():
        charged = crystal.copy()
        charged.add_oxidation_state_by_element({"Li": 1, "Na": 1, "Cl": -1})
        assert sendek_key(charged, SendekSettings()) == sendek_key(crystal, SendekSettings())


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1', '{"format": 99}', "\xff"], ids=range(6)
)
def test_a_damaged_file_is_replaced(crystals, tmp_path, caplog, content):
    good = cached_sendek(crystals, cache_dir=tmp_path)
    path = files(tmp_path)[0]
    stored = path.read_bytes()
    path.write_bytes(content.encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        again = cached_sendek(crystals, cache_dir=tmp_path)
    assert "damaged" in caplog.text
    assert again.hash == good.hash
    assert len(path.read_bytes()) == pytest.approx(len(stored), abs=20)


def test_a_folder_that_cannot_be_written_costs_only_the_cache(crystals, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        table = cached_sendek(crystals, cache_dir=blocked)
    assert table.hash == sendek_descriptors(crystals).hash
    assert caplog.text.count("not kept") == 1
