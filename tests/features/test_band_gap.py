"""Band gaps: against megnet's own model, invariances, and how the file is found.

Without the development data the formation-energy network, which is built alike, stands in.
"""

from __future__ import annotations

import hashlib
import logging
import math
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from sie.errors import DownloadError, InputError
from sie.features import band_gap as module
from sie.features.band_gap import FILE, BandGapModel
from sie.features.graph import _graph
from sie.features.megnet_readout import crystal_values
from sie.features.weights import bundled_path, bundled_weights, read_readout
from sie.structures.orbits import Orbits


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def stand_in() -> BandGapModel:
    return BandGapModel(bundled_weights(), read_readout(bundled_path()))


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "served" / FILE
    path.parent.mkdir()
    shutil.copy(bundled_path(), path)
    shutil.copy(f"{bundled_path()}.json", f"{path}.json")
    return path


@pytest.fixture
def server(model_file, tmp_path, monkeypatch):
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    handler = partial(QuietHandler, directory=str(model_file.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture
def pinned(model_file, monkeypatch):
    files = sorted(model_file.parent.iterdir())
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    monkeypatch.setattr(module, "SHA256", digests)


@pytest.fixture(scope="module")
def published(shared_data) -> BandGapModel:
    return BandGapModel.load(shared_data / "megnet" / "mp-2018.6.1")


@pytest.fixture(scope="module")
def dozen(shared_data) -> dict[str, Structure]:
    table = pd.read_parquet(shared_data / "mp-li" / "mp_li.parquet")
    structures = {}
    for row in table[table.nsites < 40].sample(12, random_state=1).itertuples():
        lattice = Lattice(np.array(row.lattice, float).reshape(3, 3))
        places = np.array(row.frac_coords, float).reshape(-1, 3) / 1e5
        structures[row.id] = Structure(lattice, [int(z) for z in row.numbers], places)
    return structures


@pytest.mark.shared
def test_gaps_are_those_of_megnet(published, dozen, shared_data):
    from megnet.models import MEGNetModel

    keras = MEGNetModel.from_file(str(shared_data / "megnet" / "mp-2018.6.1" / FILE))
    expected = [float(np.ravel(keras.predict_structure(item))[0]) for item in dozen.values()]
    every_site = [
        _graph(item, Orbits.from_labels(np.arange(len(item))), published.blocks, 4.0)
        for item in dozen.values()
    ]
    found = crystal_values(every_site, published.blocks, published.readout)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    by_orbit = list(published.gaps_eV(dozen).values())
    # coordinates are rounded: sites that are equivalent to 1e-3 Å are not quite equal to megnet
    assert np.median(np.abs(np.subtract(by_orbit, expected))) < 1e-5
    np.testing.assert_allclose(by_orbit, expected, atol=1e-3)


@pytest.mark.shared
def test_the_published_network_is_used_with_its_own_cutoff(published):
    assert published.sha256 == module.SHA256[FILE]
    assert (published.blocks.cutoff_angstrom, published.blocks.last_centre_angstrom) == (4.0, 5.0)
    salt = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5] * 3]
    )
    # lithium chloride is an insulator, 6 to 7 eV by PBE
    assert 5 < published.gaps_eV({"LiCl": salt})["LiCl"] < 8


def test_supercells_have_the_gap_of_their_primitive_cell(stand_in, crystals):
    cells = {
        "LiCl": crystals["LiCl"],
        "primitive": crystals["LiCl"].get_primitive_structure(),
        "double": crystals["LiCl"] * (2, 1, 1),
        "skewed": crystals["skewed"],
        "skewed double": crystals["skewed"] * [[1, 0, 0], [1, 2, 0], [0, 0, 1]],
    }
    gaps = stand_in.gaps_eV(cells)
    assert gaps["LiCl"] == pytest.approx(gaps["primitive"], abs=2e-5)
    assert gaps["LiCl"] == pytest.approx(gaps["double"], abs=2e-5)
    assert gaps["skewed"] == pytest.approx(gaps["skewed double"], abs=2e-5)
    assert abs(gaps["LiCl"] - gaps["skewed"]) > 0.01


def test_a_site_shared_by_one_element_is_an_ordered_site(stand_in, crystals):
    ordered = crystals["LiCl"].copy()
    ordered.remove_oxidation_states()
    shared = Structure(
        ordered.lattice,
        [{"Li+": 0.3, "Li": 0.7} if s.symbol == "Li" else {s: 1.0} for s in ordered.species],
        ordered.frac_coords,
    )
    gaps = stand_in.gaps_eV({"ordered": ordered, "shared": shared})
    assert gaps["shared"] == pytest.approx(gaps["ordered"], abs=1e-6)


def test_occupancies_count(stand_in, crystals):
    emptied = crystals["LiCl"].copy()
    emptied.replace_species({"Li+": {"Li+": 0.5}})
    gaps = stand_in.gaps_eV({"full": crystals["LiCl"], "half": emptied})
    assert abs(gaps["full"] - gaps["half"]) > 0.01


def test_the_company_does_not_matter(stand_in, crystals):
    together = stand_in.gaps_eV(crystals)
    assert list(together) == list(crystals)
    for entry, structure in crystals.items():
        alone = stand_in.gaps_eV({entry: structure})[entry]
        assert alone == pytest.approx(together[entry], abs=1e-5)
    assert len({round(gap, 3) for gap in together.values()}) == len(crystals)


def test_what_cannot_be_treated_is_nan_and_named(stand_in, crystals, caplog):
    heavy = Structure(Lattice.cubic(3.0), ["Cm"], [[0, 0, 0]])
    lonely = Structure(Lattice.cubic(40.0), ["Li"], [[0, 0, 0]])
    given = {"heavy": heavy, "LiCl": crystals["LiCl"], "lonely": lonely}
    with caplog.at_level(logging.WARNING):
        gaps = stand_in.gaps_eV(given)
    assert list(gaps) == list(given)
    assert math.isnan(gaps["heavy"])
    assert math.isnan(gaps["lonely"])
    assert gaps["LiCl"] == pytest.approx(stand_in.gaps_eV({"a": crystals["LiCl"]})["a"])
    assert [entry in caplog.text for entry in given] == [True, False, True]
    assert all(map(math.isnan, stand_in.gaps_eV({"heavy": heavy}).values()))
    assert stand_in.gaps_eV({}) == {}


@pytest.mark.usefixtures("pinned")
def test_the_download_is_checked_and_kept(server, model_file, crystals, stand_in):
    path = module.download(server)
    for name in module.SHA256:
        (model_file.parent / name).unlink()
    assert module.download(server) == path
    assert BandGapModel.load(path).gaps_eV(crystals) == stand_in.gaps_eV(crystals)


def test_a_wrong_file_is_not_taken(server, tmp_path):
    with pytest.raises(DownloadError, match=r"SHA-256 differs.*by hand") as caught:
        module.download(server)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.hdf5"))


@pytest.mark.usefixtures("pinned")
def test_a_local_file_or_folder_is_used(model_file, monkeypatch, caplog):
    monkeypatch.setattr(module, "download", lambda: pytest.fail("nothing is to be fetched"))
    for given in (model_file, model_file.parent):
        assert BandGapModel.load(given).sha256 == bundled_weights().sha256
    assert not caplog.records


def test_another_model_is_used_with_a_warning(model_file, caplog):
    BandGapModel.load(model_file)
    assert "not the published band-gap model" in caplog.text


def test_missing_and_broken_files_are_told(model_file, tmp_path):
    with pytest.raises(InputError, match=r"no file at .*none\.hdf5; give"):
        BandGapModel.load(tmp_path / "none.hdf5")
    model_file.write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="cannot be read as a MEGNet model"):
        BandGapModel.load(model_file)
    (model_file.parent / f"{FILE}.json").unlink()
    with pytest.raises(InputError, match=r"no file at .*\.json; give"):
        BandGapModel.load(model_file.parent)
