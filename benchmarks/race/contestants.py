"""The two that race: sie's engine and the stock way, each alone in a process of its own.

`enter` and `ask` run in that process; who is asked what, and when, is decided in trial.py.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.training.batches import MASKS_PER_ORBIT

CHUNK = 10
"""Epochs that a worker trains between two reports."""


@dataclass(frozen=True)
class RaceData:
    """What both train on.

    Attributes
    ----------
    features : OrbitFeatures
        Of all structures, in random order.
    labels : Mapping[str, int]
        0 or 1 by id.
    n_train : int
        So many structures, from the first on, are trained on; the others validate.
    cells : Mapping[str, int], optional
        Lattice points of the cells whose sites the multiplicities count (stock.lattice_points).
    """

    features: OrbitFeatures
    labels: Mapping[str, int]
    n_train: int
    cells: Mapping[str, int] | None = None

    @property
    def n_atoms(self) -> int:
        """Return the atoms that the stock way has."""
        points = [1 if self.cells is None else self.cells[entry] for entry in self.features.ids]
        sites = np.add.reduceat(self.features.multiplicity, self.features.offsets[:-1])
        return int(np.sum(sites / points))

    @property
    def train(self) -> tuple[str, ...]:
        """Return the ids that are trained on."""
        return self.features.ids[: self.n_train]

    @property
    def validation(self) -> tuple[str, ...]:
        """Return the ids that validate."""
        return self.features.ids[self.n_train :]


@dataclass(frozen=True)
class Lap:
    """Seconds of an epoch: on the clock, and of the process on its processors."""

    wall: float
    cpu: float


class Clock:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> Lap:
        """Return what has passed since."""
        return Lap(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def check_weights(config: TrialConfig, dimension: int) -> dict[str, np.ndarray]:
    """Return weights that are the same in every process, with biases, so that all of them count."""
    from sie.models.atomsets import initial_weights

    rng = np.random.default_rng(1)
    weights = initial_weights(config, dimension, seed=1)
    noise = {k: rng.normal(0, 0.1, v.shape).astype(np.float32) for k, v in weights.items()}
    return {k: v + noise[k] if "bias" in k else v for k, v in weights.items()}


class Engine:
    """sie's trainer; programs are kept from configuration to configuration, as a worker does."""

    def __init__(self, data: RaceData, threads: int) -> None:
        from sie.training.program import ProgramCache
        from sie.training.trainer import Trainer

        self._data, self._threads = data, threads
        self._programs = ProgramCache()
        self._trainer = Trainer(
            data.features, data.labels, data.train, data.validation, self._programs
        )

    def outputs(self, config: TrialConfig) -> np.ndarray:
        """Return probabilities of all structures with `check_weights`."""
        from sie.models.atomsets import build_atomsets
        from sie.training.program import predict_probabilities

        model = build_atomsets(config, self._data.features.dimension, seed=0)
        model.assign_weights(check_weights(config, self._data.features.dimension))
        return predict_probabilities(model, self._data.features)

    def begin(self, config: TrialConfig) -> float:
        """Build and compile the network and train one epoch; return the seconds."""
        began = time.perf_counter()
        self._trainer.start(config, seed=0, max_epochs=10**6)
        self._trainer.run_epochs(1)
        return time.perf_counter() - began

    def epochs(self, n: int) -> list[Lap]:
        """Go on for n epochs."""
        laps = []
        for _ in range(n):
            clock = Clock()
            self._trainer.run_epochs(1)
            laps.append(clock.lap())
        return laps

    def trial(self, config: TrialConfig, epochs: int) -> float:
        """Train a further trial of a shape that is compiled already; return the seconds."""
        began = time.perf_counter()
        self._trainer.start(config, seed=1, max_epochs=epochs)
        while not self._trainer.done:
            self._trainer.run_epochs(CHUNK)
        return time.perf_counter() - began

    def parts(self, config: TrialConfig) -> dict[str, float]:
        """Return where the time of an epoch goes, in seconds by part."""
        from race.parts import Part, epoch_parts

        def part(features: OrbitFeatures) -> Part:
            labels = [self._data.labels[entry] for entry in features.ids]
            return Part(features, np.array(labels, np.float32))

        self._trainer.start(config, seed=2, max_epochs=1)
        program = self._programs.get(config, self._data.features.dimension)
        both = map(part, self._both_parts())
        return epoch_parts(program, *both, config.batch_size)

    def roofline(self, config: TrialConfig, epoch_seconds: float) -> dict[str, Any]:
        """Return what the epoch had to cost on this machine beside what it did cost."""
        from race.roofline import Load, epoch_operations, measure_machine, roofline, update_bytes
        from sie.training.batches import n_batches
        from sie.training.program import PREDICTION_BATCH

        dimension = self._data.features.dimension
        loads = [
            Load(len(part), len(part.rows), n_batches(len(part), batch))
            for part, batch in zip(
                self._both_parts(), (config.batch_size, PREDICTION_BATCH), strict=True
            )
        ]
        operations = epoch_operations(config, dimension, *loads)
        update = loads[0].batches * update_bytes(config, dimension)
        machine = measure_machine(config.batch_size, config.readout_width, self._threads)
        found = roofline(sum(operations.values()), update, machine, epoch_seconds)
        return {**found, "operations_by_part": operations, "loads": [asdict(x) for x in loads]}

    def _both_parts(self) -> tuple[OrbitFeatures, OrbitFeatures]:
        """Return rows as the trainer has them: an orbit's row for each of its masks in training."""
        whole = self._data.features
        train = whole.select(self._data.train).copied(MASKS_PER_ORBIT)
        return train, whole.select(self._data.validation)


class Stock:
    """Keras fit; every trial builds and compiles its network anew."""

    def __init__(self, data: RaceData, threads: int) -> None:
        from race.stock import primitive_atoms

        self._data = data
        self._atoms = primitive_atoms(data.features, data.cells)
        self._fit: Thread | None = None
        self._permits: Queue[bool] = Queue()
        self._laps: Queue[Lap] = Queue()

    def outputs(self, config: TrialConfig) -> np.ndarray:
        """Return probabilities of all structures with `check_weights`."""
        from race.stock import AtomSequence, predict_stock, stock_model, take_weights

        model = stock_model(config, self._data.features.dimension, seed=0)
        take_weights(model, check_weights(config, self._data.features.dimension))
        ids = self._data.features.ids
        return predict_stock(model, AtomSequence(self._atoms, self._data.labels, ids, 64))

    def begin(self, config: TrialConfig) -> float:
        """Build and compile the network and train one epoch; return the seconds.

        Keras' fit runs in a thread, which waits after every epoch until it is asked for more.
        """
        import tensorflow as tf

        from race.stock import AtomSequence, compile_stock, fit_stock, stock_model

        self.end()
        tf.keras.backend.clear_session()
        permits, laps = self._permits, self._laps = Queue(), Queue()
        clock = Clock()

        class Timed(AtomSequence):
            def on_epoch_end(self) -> None:  # after validation
                nonlocal clock
                laps.put(clock.lap())
                model.stop_training = not permits.get()
                clock = Clock()
                super().on_epoch_end()

        data, size = self._data, config.batch_size
        train = Timed(self._atoms, data.labels, data.train, size, seed=0)
        validation = AtomSequence(self._atoms, data.labels, data.validation, size)
        model = stock_model(config, data.features.dimension, seed=0)
        compile_stock(model, config, len(train))
        self._fit = Thread(target=fit_stock, args=(model, train, validation, 10**6), daemon=True)
        self._fit.start()
        return float(laps.get().wall)

    def epochs(self, n: int) -> list[Lap]:
        """Go on for n epochs."""
        laps = []
        for _ in range(n):
            self._permits.put(True)
            laps.append(self._laps.get())
        return laps

    def end(self) -> None:
        """Stop fitting."""
        if self._fit is not None:
            self._permits.put(False)
            self._fit.join()
            self._fit = None


WAYS: dict[str, type[Engine] | type[Stock]] = {"sie": Engine, "stock": Stock}
_entered: list[Engine | Stock] = []


def quiet() -> None:
    """Keep TensorFlow and its packages from talking; to be called before they are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # tensorflow-addons announces its end of life at every import
    warnings.filterwarnings("ignore", message=r"\s*TensorFlow Addons")


def enter(way: str, threads: int, data: RaceData) -> None:
    """Make this process one of the ways, with so many threads; TensorFlow is imported here."""
    quiet()
    from sie.training.threads import limit_threads

    limit_threads(threads)
    _entered.append(WAYS[way](data, threads))


def ask(question: str, *arguments: Any) -> Any:
    """Call a method of this process' contestant and time nothing of what lies around it."""
    return getattr(_entered[-1], question)(*arguments)
