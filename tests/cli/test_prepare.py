from __future__ import annotations

import io
import json
from collections import Counter

import pandas as pd
import pytest
import yaml
from rich.console import Console

from sie.cli.prepare import OXIDATION_COLUMN, PrepareOptions, prepare_database, prepare_dataset
from sie.datasets.record import Database
from sie.datasets.registry import load_dataset
from sie.datasets.storage import load_record
from sie.errors import InputError


@pytest.fixture(scope="module")
def few() -> Database:
    """Eight entries, to which an enlarged copy and a supercell of the first are added."""
    whole = load_dataset("starter")
    source = whole.subset([entry for entry in whole.ids if len(whole.structures[entry]) < 20][:8])
    first = source.ids[0]
    large = source.structures[first].copy()
    large.scale_lattice(large.volume * 1.4)
    table = pd.concat([source.table, source.table.loc[[first, first]]])
    table.index = pd.Index([*source.ids, "large", "super"], name="id")
    sigmas = {first: 1e-3, "large": 1e-5, "super": 1e-9}
    for entry, sigma in sigmas.items():
        table.loc[entry, "sigma_S_per_cm"] = sigma
        table.loc[entry, "label"] = int(sigma >= 1e-4)
    copies = {"large": large, "super": source.structures[first] * (2, 1, 1)}
    return Database("starter", table, {**source.structures, **copies})


def test_the_median_of_duplicates_stays(few):
    prepared = prepare_database(few)
    (group,) = prepared.duplicates
    assert group.ids == ("super", "large", few.ids[0])
    assert prepared.database.ids == (*few.ids[1:8], "large")
    assert prepared.report.unique == len(prepared.database) == 8
    assert prepared.table_one.loc["all", "sigma_values"] == 10
    assert prepared.table_one.loc["all", "unique_structures"] == 8
    assert prepared.report.n_left_out == 2


def test_duplicates_may_stay_and_are_named_all_the_same(few):
    prepared = prepare_database(few, keep_duplicates=True)
    assert prepared.database.ids == few.ids
    assert prepared.database.hash == few.hash
    assert len(prepared.duplicates) == 1
    assert prepared.report.unique == 8
    assert prepared.table_one.loc["all", "sigma_values"] == 10
    assert not prepared.database.left_out


def test_where_oxidation_states_come_from_is_kept_for_every_entry(few):
    prepared = prepare_database(few)
    assert Counter(prepared.database.table[OXIDATION_COLUMN]) == prepared.report.oxidation


@pytest.fixture
def csv(tmp_path, few):
    """The same entries as a user's table with CIFs."""
    (tmp_path / "cifs").mkdir()
    for entry, crystal in few.structures.items():
        (tmp_path / "cifs" / f"{entry}.cif").write_text(crystal.to(fmt="cif"), encoding="utf-8")
    columns = few.table[["sigma_S_per_cm", "family"]].rename(columns={"sigma_S_per_cm": "sigma"})
    columns.to_csv(tmp_path / "mine.csv")
    with (tmp_path / "mine.csv").open("a") as handle:
        handle.write("gone,1e-5,\n")
    return tmp_path / "mine.csv"


def run(**options) -> str:
    console = Console(file=io.StringIO(), width=200)
    prepare_dataset(PrepareOptions(**options), console)
    return console.file.getvalue()


def test_a_dry_run_writes_nothing(csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "the data record would go to results/mine/data" in run(
        dataset="table", table=csv, dry_run=True
    )
    assert not (tmp_path / "results").exists()


def test_everything_is_written_and_said(csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"dataset": "table", "table": str(csv)}
    said = run(dataset="table", table=csv, run_options=options)
    folder = tmp_path / "results" / "mine" / "data"
    assert yaml.safe_load((folder / "run.yaml").read_text()) == options
    record = load_record(folder)
    assert f"data record: results/mine/data ({record.database.hash})" in said
    assert "duplicates: 1 groups of 3 entries; the median of each stays, 2 are left out" in said
    assert "1 of them hold both classes: super, large, " in said
    assert "loco_search.py --dataset results/mine/data --cluster" in said
    assert len(record.database) == 8
    assert record.provenance["counts"]["loaded"] == 10
    assert record.provenance["options"]["table"] == str(csv)
    assert pd.read_csv(folder / "table1.csv", index_col=0).loc["all", "entries"] == 8
    assert len(pd.read_csv(folder / "duplicates.csv")) == 3
    left_out = pd.read_csv(folder / "left_out.csv").set_index("id")["reason"]
    assert left_out["gone"] == "no CIF"
    assert left_out["super"] == "duplicate of large"
    for suffix in ("png", "svg"):
        assert (folder / "figures" / f"fig1.{suffix}").stat().st_size > 10_000
    assert load_dataset(str(folder)).hash == record.database.hash


def test_a_record_can_be_prepared_again_but_not_onto_itself(csv, tmp_path):
    folder = tmp_path / "data"
    run(dataset="table", table=csv, out=folder)
    before = (folder / "database.json").read_bytes()
    for same in (folder, folder / ".." / "data"):
        with pytest.raises(InputError, match="is the data record that is read"):
            run(dataset=str(folder), out=same)
    assert (folder / "database.json").read_bytes() == before
    said = run(dataset="record", data_dir=folder, out=tmp_path / "again")
    assert "duplicates: none" in said
    again = json.loads((tmp_path / "again" / "database.json").read_text(encoding="utf-8"))
    first = json.loads(before)
    assert again["hash"] == first["hash"]
    assert again["provenance"]["made_from"] == first["provenance"]


def test_the_same_dataset_gives_the_same_record(csv, tmp_path):
    for name in ("one", "two"):
        run(dataset="table", table=csv, out=tmp_path / name)
    for file in ("database.json", "database.parquet", "table1.csv", "duplicates.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
