"""Datasets as inputs of runs, read back by MLflow's own code."""

import pytest
from mlflow.data import get_source

from sie.tracking.inputs import DataInput
from sie.tracking.recorder import Recorder
from sie.tracking.store import open_store


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    return Recorder(open_store(None, tmp_path_factory.mktemp("mlruns")), "inputs")


def test_a_run_names_its_dataset_once_however_often_it_is_told(recorder):
    run_id = recorder.open_run("k", "k", {}, {})
    data = DataInput("obelix", "0123456789abcdef", "https://a.org/b/", "left out", {"entries": 3})
    recorder.log_input(run_id, data)
    recorder.log_input(run_id, data)
    client = recorder.store.client()
    (found,) = client.get_run(run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("obelix", "0123456789abcdef")
    assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "left out")]
    assert get_source(found.dataset).url == "https://a.org/b/"
    query = "dataset.name = 'obelix' and dataset.digest = '0123456789abcdef'"
    assert [r.info.run_id for r in client.search_runs([recorder.experiment_id], query)] == [run_id]


@pytest.mark.parametrize(
    ("source", "kind"), [("/data/my.csv", "local"), ("sie.datasets.starter", "code"), ("", "code")]
)
def test_paths_and_packages_are_sources_that_mlflow_reads(source, kind):
    dataset = DataInput("starter", "ab", source).as_entity().dataset
    assert dataset.source_type == kind
    assert get_source(dataset)._get_source_type() == kind
