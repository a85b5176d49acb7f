"""Structures per second from parsed crystals to MEGNet vectors: orbits against the stock way.

Stock: one keras model.predict per structure over every site, as megnet's descriptor does it,
in the cells of the files and in primitive ones (the article's). Reading files is timed apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.datasets.registry import load_dataset
from sie.features.extract import LEVELS, compute_features, represent_all
from sie.features.weights import bundled_path
from sie.structures.oxidation import prepare
from sie.structures.representations import Representation

if TYPE_CHECKING:
    from pymatgen.core import Structure


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the work gives and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def stock_predictor(level: int) -> Callable[[Structure], np.ndarray]:
    """Return megnet's own way from a represented crystal to the vectors of all its sites."""
    import tensorflow as tf
    from megnet.data.crystal import CrystalGraphDisordered
    from megnet.data.graph import GaussianDistance
    from megnet.models import MEGNetModel

    tf.keras.backend.clear_session()  # else the inputs of a second network get the first's names
    whole = MEGNetModel.from_file(str(bundled_path())).model
    embedding = whole.get_layer("embedding_1")
    table = embedding.get_weights()[0]
    # megnet's descriptor asks for every layer's output, whichever level is wanted
    kept = [x.output for x in whole.layers if x.name.startswith(("meg", "set", "concatenate"))]
    model = tf.keras.Model([embedding.output, *whole.inputs[1:]], kept)
    converter = CrystalGraphDisordered(
        bond_converter=GaussianDistance(np.linspace(0, 6, 100), 0.5), cutoff=5.0
    )

    def predict(structure: Structure) -> np.ndarray:
        graph = converter.convert(structure)
        sites = [{sp.Z: amount for sp, amount in site.species.items()} for site in structure]
        graph["atom"] = [sum(table[z] * a for z, a in site.items()) for site in sites]
        inputs = [
            np.array(graph["atom"], np.float32),
            converter.bond_converter.convert(graph["bond"]).astype(np.float32),
            np.zeros((1, 2), np.float32),
            np.array(graph["index1"], np.int32),
            np.array(graph["index2"], np.int32),
            np.zeros(len(structure), np.int32),
            np.zeros(len(graph["bond"]), np.int32),
        ]
        return model.predict([item[None] for item in inputs], verbose=0)[level - 1][0][0]

    return predict


def run_stock(shown: Mapping[str, Structure], level: int) -> float:
    """Return the stock way's seconds for all crystals, without loading TensorFlow and tracing."""
    predict = stock_predictor(level)
    first = next(iter(shown.values()))
    predict(first)
    _, seconds = timed(lambda: [predict(structure) for structure in shown.values()])
    return seconds


def main() -> None:
    """Print a table of structures per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="copy of OBELiX; default: the starter set")
    parser.add_argument("--representation", choices=list(Representation), default="CAMN")
    parser.add_argument("--level", type=int, choices=LEVELS[1:], default=1)
    parser.add_argument("--stock-structures", type=int, default=60, help="0 leaves stock out")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    name = "obelix" if options.data_dir else "starter"
    database, reading = timed(lambda: load_dataset(name, data_dir=options.data_dir))
    n = len(database)
    n_sites = sum(len(structure) for structure in database.structures.values())
    print(f"{name}: {n} structures, {n_sites} sites; {options.representation}-V{options.level}")
    print(f"{'reading files (pymatgen, the floor)':<44}{reading:8.2f} s  {n / reading:9.1f}/s")
    (decorated, _), deciding = timed(lambda: prepare(database.structures))
    print(f"{'oxidation states':<44}{deciding:8.2f} s  {n / deciding:9.1f}/s")

    def ours() -> Any:
        return compute_features(decorated, options.representation, options.level)

    runs = [timed(ours) for _ in range(options.repeats)]
    computing = statistics.median(seconds for _, seconds in runs)
    label = f"orbits, {len(runs[0][0].rows)} rows, median of {options.repeats}"
    print(f"{label:<44}{computing:8.2f} s  {n / computing:9.1f}/s")
    whole = reading + deciding + computing
    print(
        f"{'files to features':<44}{whole:8.2f} s  {n / whole:9.1f}/s, "
        f"{reading / whole:.0%} of it reading"
    )
    if not options.stock_structures:
        return
    chosen = sorted(decorated)[:: max(1, n // options.stock_structures)]
    shown = represent_all({entry: decorated[entry] for entry in chosen}, options.representation)
    primitive = {entry: cell.get_primitive_structure() for entry, cell in shown.items()}
    for label, cells in (("the files' cells", shown), ("primitive cells", primitive)):
        seconds = run_stock(cells, options.level)
        rate = len(cells) / seconds
        label = f"model.predict each, {label} ({len(cells)})"
        print(f"{label:<44}{seconds:8.2f} s  {rate:9.1f}/s  x{n / computing / rate:.1f}")


if __name__ == "__main__":
    main()
