from collections import Counter

import numpy as np
import pytest

from sie.errors import InputError, SieError
from sie.features.extract import compute_levels
from sie.pretraining import features as module
from sie.pretraining.features import FeatureShards, charged, compute_shard, reason_of
from sie.pretraining.record import Crystal, collect
from sie.structures.oxidation import prepare
from sie.structures.representations import Representation, represent


def same(found, expected):
    assert found.ids == expected.ids
    # crystals convolved in other company differ in the last bits
    np.testing.assert_allclose(found.rows, expected.rows, atol=1e-5)
    np.testing.assert_array_equal(found.multiplicity, expected.multiplicity)
    np.testing.assert_array_equal(found.offsets, expected.offsets)


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.npz")}


@pytest.mark.parametrize("representation", ["CAMN", "CAMNS"])
def test_shards_give_what_one_pass_over_everything_gives(
    tmp_path, table, structures, representation, monkeypatch
):
    monkeypatch.setattr(module, "GROUP", 7)
    shards = FeatureShards(table, representation, tmp_path, shard=25)
    assert shards.compute((0, 1)) == len(table)
    expected = compute_levels(prepare(structures)[0], representation, (0, 1))
    for level in (0, 1):
        found, failed = shards.load(level)
        same(found, expected[level])
        assert not failed


def test_oxidation_states_are_those_of_prepare(structures):
    decorated, _ = prepare(structures)
    for entry, structure in structures.items():
        assert charged(structure) == decorated[entry]


def test_an_interrupted_computation_goes_on(tmp_path, table, monkeypatch):
    whole = FeatureShards(table, "CAMN", tmp_path / "whole", shard=20)
    whole.compute((1,))

    def stop_after_one(done, computed):
        raise KeyboardInterrupt

    torn = FeatureShards(table, "CAMN", tmp_path / "torn", shard=20)
    with pytest.raises(KeyboardInterrupt):
        torn.compute((1,), stop_after_one)
    with pytest.raises(SieError, match="crystals 20 to 40 are missing"):
        torn.load(1)
    computed = []
    monkeypatch.setattr(
        module, "compute_shard", lambda *args: computed.append(args[1]) or compute_shard(*args)
    )
    told = []
    assert torn.compute((1,), lambda *args: told.append(args)) == 40
    assert computed == [range(20, 40), range(40, 60)]
    assert told == [(20, 0), (40, 20), (60, 20)]
    assert torn.load(1)[0].hash == whole.load(1)[0].hash
    assert files_of(tmp_path / "torn").keys() == files_of(tmp_path / "whole").keys()


def test_more_crystals_and_levels_use_what_is_there(tmp_path, table, monkeypatch):
    FeatureShards(table, "CAMN", tmp_path, limit=20, shard=20).compute((0,))
    asked = []
    monkeypatch.setattr(
        module, "compute_shard", lambda *args: asked.append(args[1:]) or compute_shard(*args)
    )
    more = FeatureShards(table, "CAMN", tmp_path, limit=30, shard=20)
    more.compute((0, 1))
    assert [(part, levels) for part, _, levels in asked] == [
        (range(20), [1]),
        (range(20, 30), [0, 1]),
    ]
    assert more.load(0)[0].ids == table.ids[:30]


def test_other_crystals_or_representations_have_other_files(table, tmp_path):
    keys = {
        FeatureShards(table, "CAMN", tmp_path).key,
        FeatureShards(table, "CAMNS", tmp_path).key,
        FeatureShards(table.shuffled(1), "CAMN", tmp_path).key,
    }
    assert len(keys) == 3


def test_a_damaged_shard_is_computed_again(tmp_path, table, caplog):
    shards = FeatureShards(table, "CAMN", tmp_path, limit=10, shard=10)
    shards.compute((0,))
    hash_before = shards.load(0)[0].hash
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:300])
    shards.compute((0,))
    assert "is damaged" in caplog.text
    assert shards.load(0)[0].hash == hash_before


def test_crystals_that_fail_are_counted_and_the_rest_goes_on(tmp_path, table):
    far = Crystal("far", 0, 40.0 * np.eye(3).reshape(-1), np.array([10]), np.zeros(3))
    heavy = Crystal(
        "heavy",
        1,
        3.0 * np.eye(3).reshape(-1),
        np.array([118, 9]),
        np.array([0, 0, 0, 0.5, 0.5, 0.5]),
    )
    lithium = Crystal("li", 1, 3.0 * np.eye(3).reshape(-1), np.array([3]), np.zeros(3))
    kept = [
        Crystal(
            entry, int(table.labels[i]), table.lattices[i].reshape(-1),
            table.numbers[table.offsets[i] : table.offsets[i + 1]],
            table.frac_coords[table.offsets[i] : table.offsets[i + 1]].reshape(-1),
        )
        for i, entry in enumerate(table.ids[:5])
    ]  # fmt: skip
    mixed = collect("mixed", [far, kept[0], heavy, *kept[1:], lithium], Counter())
    found, failed = compute_shard(mixed, range(len(mixed)), Representation("CAN"), [1])
    expected, _ = compute_shard(table, range(5), Representation("CAN"), [1])
    same(found[1], expected[1])
    assert sum(failed.values()) == 3
    for part in ("no two atoms are within", "Og", "no atom is left"):
        assert any(part in reason for reason in failed), failed


def test_nothing_left_is_said(table):
    far = [
        Crystal(f"f{i}", i % 2, (40.0 + i) * np.eye(3).reshape(-1), np.array([10]), np.zeros(3))
        for i in range(2)
    ]
    with pytest.raises(InputError, match=r"none of 2 crystals has features as CAMN.*16"):
        compute_shard(collect("far", far, Counter()), range(2), Representation("CAMN"), [1])


def test_reasons_do_not_name_the_crystal():
    error = InputError("structure a: Ne1: no two atoms are within 16 Å; leave this structure out")
    assert reason_of(error, "a") == "no two atoms are within 16 Å"
    assert reason_of(ZeroDivisionError(), "a") == "ZeroDivisionError"


def test_a_shown_crystal_is_the_represented_one(structures):
    for entry in ("x00", "x31"):
        shown = module.show(structures[entry], Representation("CAMNS"))
        assert shown == represent(prepare(structures)[0][entry], "CAMNS")
