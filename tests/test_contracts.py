"""What every registered model, representation, sampler and dataset must do, whoever wrote it."""

from __future__ import annotations

import dataclasses
import importlib
import pickle
import sys

import numpy as np
import pytest
from search_examples import make_plan
from worked_examples import blocks

from sie.cli import arguments
from sie.datasets.registry import DATASETS, load_dataset
from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.models import registry
from sie.models.config import TrialConfig
from sie.models.forward import attention, log_odds, stack
from sie.models.registry import MODELS, find_model
from sie.models.shapes import require_shapes, row_length, weight_shapes
from sie.search.choices import Sampler
from sie.search.samplers import make_sampler
from sie.structures.representations import Representation, represent, seen_sites

D, EXAMPLE = 5, "mean_mlp"


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(4)
    counts = rng.integers(1, 6, 24)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    rows = rng.normal(1.0, 2.0, (offsets[-1], D)).astype(np.float32)
    multiplicity = rng.integers(1, 9, offsets[-1]).astype(np.float32)
    return OrbitFeatures(tuple(f"s{i}" for i in range(24)), rows, multiplicity, offsets)


@pytest.fixture(scope="module")
def example_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    (folder / "example_of_a_model.py").write_text(blocks()["sie/models/mean_mlp.py"])
    sys.path.insert(0, str(folder))
    yield "example_of_a_model:MeanMLP"
    sys.path.remove(str(folder))


@pytest.fixture
def config(request, monkeypatch, example_file):
    """A small configuration of each model, the worked example's with it."""
    line = {EXAMPLE: example_file} if request.param == EXAMPLE else {}
    monkeypatch.setattr(registry, "MODELS", {**MODELS, **line})
    monkeypatch.setattr("sie.models.config.MODELS", {**MODELS, **line})
    return TrialConfig(
        model=request.param, n_layers=2, n_neurons=8, readout_width=8, batch_size=8,
        optimiser="adam", schedule="constant", max_lr=0.01, dropout_rho=0.3,
    )  # fmt: skip


@pytest.mark.parametrize("config", [*MODELS, EXAMPLE], indirect=True)
class TestModels:
    def drawn(self, config, seed):
        """Weights of a network that has learnt something: biases are not zero."""
        rng = np.random.default_rng(seed)
        fresh = find_model(config.model).initial(config, D, seed)
        return {k: (v + rng.normal(0, 0.3, v.shape)).astype(np.float32) for k, v in fresh.items()}

    def test_weights_are_drawn_by_seed_and_as_it_says(self, config):
        one, again, other = (find_model(config.model).initial(config, D, s) for s in (1, 1, 2))
        assert {name: array.shape for name, array in one.items()} == weight_shapes(config, D)
        assert all(array.dtype == np.float32 for array in one.values())
        assert all(np.array_equal(one[name], again[name]) for name in one)
        assert any(not np.array_equal(one[name], other[name]) for name in one)
        assert row_length(one, config) == D
        with pytest.raises(InputError, match="rows of 6 numbers, but the network takes 5"):
            require_shapes(one, config, D + 1)

    def test_what_it_ignores_does_not_make_another_configuration(self, config):
        known = {item.name for item in dataclasses.fields(TrialConfig)}
        assert set(find_model(config.model).ignores) <= known - {"model"}
        for name in find_model(config.model).ignores:
            other = {"pooling": "mean"}.get(name, 0.25 if name.startswith(("dr", "l2")) else 7)
            same = dataclasses.replace(config, **{name: other})
            assert same.hash == config.hash
            assert name not in config.as_params()

    def test_the_default_is_in_no_hash(self, config):
        assert ("model" in config.as_dict()) == (config.model != TrialConfig().model)
        assert TrialConfig.from_mapping(config.as_dict()) == config

    def test_numpy_gives_what_the_network_gives(self, config, features):
        import tensorflow as tf

        networks = [self.drawn(config, seed) for seed in (0, 1)]
        found = log_odds(stack(networks), config, features)
        network = find_model(config.model).network(config, D)
        owner = np.repeat(np.arange(len(features)), np.diff(features.offsets)).astype(np.int32)
        inputs = [tf.constant(x) for x in (features.rows, features.multiplicity, owner)]
        for weights, own in zip(networks, found, strict=True):
            network.assign_weights(weights)
            np.testing.assert_allclose(own, network.logits(*inputs), rtol=2e-5, atol=2e-5)
        kept = network.named_weights()
        assert all(
            np.array_equal(kept[name], networks[1][name]) for name in weight_shapes(config, D)
        )
        with pytest.raises(InputError, match="on one side only"):
            network.assign_weights({})

    def test_a_supercell_scores_as_its_cell_and_order_does_not_matter(self, config, features):
        weights = stack([self.drawn(config, 0)])
        (found,) = log_odds(weights, config, features)
        larger = dataclasses.replace(features, multiplicity=3 * features.multiplicity)
        np.testing.assert_allclose(log_odds(weights, config, larger)[0], found, atol=1e-5)
        turned = features.select(features.ids[::-1])
        np.testing.assert_allclose(log_odds(weights, config, turned)[0], found[::-1], atol=1e-5)
        assert np.ptp(found) > 1e-3
        shares = attention(weights, config, features)[0]
        np.testing.assert_allclose(np.add.reduceat(shares, features.offsets[:-1]), 1, atol=1e-5)

    def test_it_learns_alone_as_it_does_side_by_side(self, config, features):
        from sie.training.stacked import StackedTrainer
        from sie.training.trainer import Trainer

        labels = {entry: i % 2 for i, entry in enumerate(features.ids)}
        trainer = Trainer(features, labels, features.ids[:16], features.ids[16:])
        members = StackedTrainer(features, labels, features.ids[:16]).train([config] * 2, [3, 4], 3)
        trainer.start(config, 4, 3)
        curves = trainer.run_epochs(3)
        np.testing.assert_allclose(members[1].train_loss, curves["train_loss"], rtol=1e-4)
        for name, array in trainer.weights().items():
            np.testing.assert_allclose(members[1].weights[name], array, rtol=1e-3, atol=1e-4)
        assert members[0].train_loss[0] != members[1].train_loss[0]


@pytest.mark.parametrize("representation", Representation)
class TestRepresentations:
    @pytest.fixture(scope="class")
    def crystal(self):
        from pymatgen.core import Lattice, Structure

        sites = [{"Li+": 0.5, "Zn2+": 0.25}, {"Si4+": 1}, {"S2-": 0.5, "O2-": 0.5}, {"Ar0+": 1}]
        places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.3, 0.1], [0.7, 0.1, 0.6]]
        return Structure(Lattice.orthorhombic(4, 5, 6), sites, places)

    def test_its_name_finds_it_everywhere(self, representation):
        assert Representation(str(representation)) is representation
        assert pickle.loads(pickle.dumps(representation)) is representation  # noqa: S301
        assert representation.value in arguments.REPRESENTATIONS

    def test_it_shows_elements_and_adds_nothing(self, representation, crystal):
        shown = represent(crystal, representation)
        seen = seen_sites(crystal, representation)
        assert len(seen) == len(shown) > 0
        for site, whole in zip(shown, (crystal[i] for i in seen), strict=True):
            assert np.array_equal(site.frac_coords, whole.frac_coords)
            assert site.species.num_atoms <= whole.species.num_atoms + 1e-9
            assert all(str(species).isalpha() for species in site.species)
        assert represent(crystal, representation) == shown

    def test_charges_are_needed_where_it_says_so(self, representation, crystal):
        bare = crystal.copy()
        bare.remove_oxidation_states()
        if representation.rule.needs_charges:
            with pytest.raises(InputError, match="oxidation state"):
                represent(bare, representation)
        else:
            assert represent(bare, representation) == represent(crystal, representation)


@pytest.mark.parametrize("sampler", Sampler)
class TestSamplers:
    def draws(self, sampler, seed, points=(), n=4):
        plan = make_plan()
        made = make_sampler(sampler, plan.space, "score", 2, seed, points)
        found = []
        for i in range(n):
            found.append(made.suggest(f"t{i}"))
            made.on_trial_complete(f"t{i}", {"score": 0.1 * i})
        return plan.space, found

    def test_its_name_finds_it_everywhere(self, sampler):
        assert Sampler(str(sampler)) is sampler
        assert pickle.loads(pickle.dumps(sampler)) is sampler  # noqa: S301
        assert callable(sampler.maker)

    def test_it_draws_from_the_space_by_its_seed(self, sampler):
        space, one = self.draws(sampler, 5)
        assert all(set(values) == {p.name for p in space.parameters} for values in one)
        assert [space.config(values) for values in one]
        assert self.draws(sampler, 5)[1] == one != self.draws(sampler, 6)[1]

    def test_points_come_first(self, sampler):
        _, drawn = self.draws(sampler, 7, n=2)
        assert self.draws(sampler, 5, drawn)[1][:2] == drawn


class TestDatasets:
    @pytest.fixture(scope="class")
    def sources(self, tmp_path_factory):
        """Where each dataset is found in a test; a new one needs a line."""
        from sie.datasets.storage import DataRecord, save_record

        folder = tmp_path_factory.mktemp("datasets")
        few = load_dataset("starter").subset(load_dataset("starter").ids[:12])
        save_record(folder / "record", DataRecord(few))
        (folder / "cifs").mkdir()
        for entry, structure in few.structures.items():
            structure.to(filename=str(folder / "cifs" / f"{entry}.cif"), fmt="cif")
        rows = (f"{entry},{few.table['label'][entry]}" for entry in few.ids)
        (folder / "table.csv").write_text("id,class\n" + "\n".join(rows) + "\n")
        return {
            "starter": {},
            "obelix": None,  # needs the shared data; tests/datasets/test_obelix.py
            "table": {"table": folder / "table.csv", "cifs": folder / "cifs"},
            "record": {"data_dir": folder / "record"},
        }

    def test_every_dataset_is_looked_at(self, sources):
        assert set(sources) == set(DATASETS)

    @pytest.mark.parametrize("name", [name for name in DATASETS if name != "obelix"])
    def test_it_is_whole_and_the_same_every_time(self, name, sources):
        one, again = (load_dataset(name, **sources[name]) for _ in range(2))
        assert one.hash == again.hash
        assert len(set(one.ids)) == len(one) >= 10
        assert set(one.labels) <= {0, 1}
        assert set(one.structures) == set(one.ids)
        assert all(
            "Li" in {e.symbol for e in s.composition.elements} for s in one.structures.values()
        )

    @pytest.mark.parametrize("name", [name for name in DATASETS if name != "table"])
    def test_it_refuses_what_is_not_its_own(self, name, tmp_path):
        with pytest.raises(InputError):
            load_dataset(name, data_dir=tmp_path, table=tmp_path / "t.csv")


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="model one of atomsets"):
        TrialConfig(model="atomset")


def test_registries_import_nothing_heavy():
    script = (
        "import sys, sie.models.registry, sie.search.choices, sie.structures.representations\n"
        "print(*{'tensorflow', 'ray', 'pymatgen', 'numpy', 'pandas'} & set(sys.modules))"
    )
    import subprocess

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
    assert importlib.import_module("sie.models.registry").MODELS
