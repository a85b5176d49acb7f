"""Crystals to screen as files of every kind, and records of results without any model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from ensemble_examples import argyrodite, rock_salt, skewed
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from sie.screening.ranking import Filters, Ranking, rank
from sie.screening.record import COLUMNS, Source

DEFAULT = Filters()


def lithium_salts(n: int) -> list[Structure]:
    """Small ordered crystals, no two alike: CsCl's type, two or four atoms."""
    found = []
    for i in range(n):
        a = 3.0 + 0.02 * (i // 4)
        salt = Structure(
            Lattice.cubic(a), ["Li", ("Cl", "Br", "I", "F")[i % 4]], [[0] * 3, [0.5] * 3]
        )
        found.append(salt * (2, 1, 1) if i % 3 == 0 else salt)
    return found


def write_cifs(folder: Path, crystals: dict[str, Structure]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, crystal in crystals.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        CifWriter(crystal).write_file(folder / f"{name}.cif")
    return folder


def write_parquet(
    path: Path, crystals: list[Structure], gaps: list[float | None], group: int = 1_000_000
) -> Path:
    columns = {
        "id": [f"mp-{i}" for i in range(len(crystals))],
        "lattice": [c.lattice.matrix.ravel().tolist() for c in crystals],
        "numbers": [[site.specie.Z for site in c] for c in crystals],
        "frac_coords": [
            np.rint(c.frac_coords.ravel() * 1e5).astype(int).tolist() for c in crystals
        ],
        "band_gap": gaps,
    }
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


def write_json_lines(path: Path, crystals: list[Structure]) -> Path:
    lines = [json.dumps({**c.as_dict(), "id": f"j{i}"}) for i, c in enumerate(crystals)]
    path.write_text("".join(f"{line}\n\n" for line in lines))
    return path


def mixed_folder(folder: Path) -> Path:
    """A folder with a broken CIF, one without lithium, one in a subfolder, disordered ones."""
    write_cifs(
        folder,
        {
            "a-LiCl": rock_salt(),
            "b-argyrodite": argyrodite(),
            "d-NaCl": rock_salt("Na"),
            "e-skewed": skewed(),
            "sub/f-LiI": rock_salt(anion="I", a=6.0),
        },
    )
    (folder / "c-broken.cif").write_text("data_x\n_cell_length_a 3\nnothing more\n")
    return folder


def all_entries(source: Source):
    return [entry for shard in source.shards for entry in source.reader.read(shard)]


def results(n: int = 200, seed: int = 1) -> pd.DataFrame:
    """Results as a screening leaves them, from random numbers."""
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(n) < 0.1, np.nan, rng.gamma(2, 1.2, n))
    columns = {
        "place": np.arange(n),
        "id": [f"mp-{i}" if i % 5 else f"<b>{i}</b>" for i in range(n)],
        "file": [f"x.parquet, row {i}" for i in range(n)],
        "formula": ["Li12P4S16"] * n,
        "reduced_formula": ["Li3PS4"] * n,
        "n_sites": rng.integers(2, 200, n).astype(np.int32),
        "ordered": rng.random(n) < 0.7,
        "intermetallic": rng.random(n) < 0.2,
        "lacks_anion_former": rng.random(n) < 0.3,
        "p_si": rng.beta(0.6, 1.4, n),
        "p_si_sd": rng.uniform(0.01, 0.2, n),
        "band_gap_eV": gaps,
        "band_gap_from": np.where(np.isnan(gaps), "", rng.choice(["given", "MEGNet"], n)),
        "novel": rng.random(n) < 0.6,
        "closest_known": ["Li7La3Zr2O12"] * n,
        "closest_known_id": ["jqc"] * n,
        "closest_deviation": rng.random(n) / 5,
        "d_training": rng.gamma(2, 0.3, n),
        "pc1": rng.normal(size=n),
        "pc2": rng.normal(size=n),
    }  # fmt: skip
    return pd.DataFrame(columns)[list(COLUMNS)]


def calibrated_results(n: int = 200, seed: int = 1) -> pd.DataFrame:
    """The same of an ensemble with a calibration that makes many equal."""
    table = results(n, seed)
    table["p_si_raw"] = 0.2 + 0.4 * table["p_si"]
    table["p_si"] = np.round(table["p_si"], 1)
    sets = np.array(["not superionic", "undecided", "superionic"])
    for name, most in (("set_80", 0.5), ("set_90", 0.7)):
        p = table["p_si"].to_numpy()
        table[name] = sets[1 + (p > most).astype(int) - (p < 1 - most).astype(int)]
    return table


def ranking(n: int = 200, filters: Filters = DEFAULT) -> Ranking:
    """A ranking of random results of a source whose structures are all different."""
    return rank(results(n), Source("random", "h", (), EmptyReader()), filters, n_rejects=3)


class EmptyReader:
    def read(self, shard):
        return iter(())
