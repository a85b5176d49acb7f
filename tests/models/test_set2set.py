import numpy as np
import pytest
import tensorflow as tf

from sie.models.initial import glorot_uniform, orthogonal
from sie.models.readout_weights import from_maml, initial_readout, readout_shapes, to_maml
from sie.models.set2set import WeightedSet2Set

D, WIDTH = 5, 8
NAMES = tuple(readout_shapes(1, 1))
MAML_NAMES = (("kernel",), ("bias",), NAMES[2:5], NAMES[5:])


def random_maml_weights(seed=0, scale=1.0):
    # larger than at the start, so that gates saturate and attention is uneven
    rng = np.random.default_rng(seed)
    shapes = [(D, WIDTH), (WIDTH,), (2 * WIDTH, 4 * WIDTH), (4 * WIDTH,)]
    return [scale * rng.normal(size=shape).astype(np.float32) for shape in shapes]


def random_rows(seed=1):
    rng = np.random.default_rng(seed)
    counts = [3, 1, 6, 2]
    rows = rng.normal(size=(sum(counts), D)).astype(np.float32)
    multiplicity = rng.integers(1, 6, size=sum(counts)).astype(np.float32)
    return rows, multiplicity, np.repeat(np.arange(len(counts)), counts).astype(np.int32)


def layer_with(weights, steps=3):
    layer = WeightedSet2Set(WIDTH, steps)
    layer.build([(None, D), (None,), (None,)])
    for name in NAMES:
        getattr(layer, name).assign(weights[name])
    return layer


def read(layer, rows, multiplicity, owner):
    return layer([tf.constant(rows), tf.constant(multiplicity), tf.constant(owner)]).numpy()


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("folding", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_value_and_gradients_are_mamls(steps, folding, joined):
    from maml.models.dl._layers import WeightedSet2Set as Peer

    given = random_maml_weights()
    rows, multiplicity, owner = (tf.constant(x) for x in random_rows())
    direction = tf.constant(np.random.default_rng(2).normal(size=(4, 2 * WIDTH)).astype(np.float32))
    peer = Peer(T=steps, n_hidden=WIDTH)
    peer.build([(1, None, D), (1, None), (1, None)])
    peer.set_weights(given)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        theirs = peer([rows[None], multiplicity[None], owner[None]])[0]
        loss = tf.reduce_sum(theirs * direction)
    *their_gradients, their_row_gradient = tape.gradient(loss, [*peer.trainable_weights, rows])

    layer = layer_with(from_maml(given), steps)
    layer._folds = folding
    shared = layer.shared_kernels() if joined else {}
    with tf.GradientTape() as tape:
        tape.watch(rows)
        ours = layer([rows, multiplicity, owner], shared)
        loss = tf.reduce_sum(ours * direction)
    named = {name: getattr(layer, name) for name in NAMES}
    outputs = {name: kernel.outputs for name, kernel in shared.items()}
    zero = tf.UnconnectedGradients.ZERO  # of the recurrent kernels when there is one step
    our_gradients, of_outputs, our_row_gradient = tape.gradient(
        loss, [named, outputs, rows], unconnected_gradients=zero
    )
    our_gradients |= {name: shared[name].gradient(of_outputs[name]) for name in shared}

    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(our_row_gradient, their_row_gradient, rtol=1e-5, atol=1e-5)
    # the forget gate has no gradient in maml, nor have the idle entries here
    expected = from_maml([tf.convert_to_tensor(g).numpy() for g in their_gradients])
    for name, gradient in our_gradients.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_structure_is_read_the_same_in_any_company(n):
    # attention runs over halves of a batch: of one structure the first half is empty
    layer = layer_with(from_maml(random_maml_weights()))
    rows, multiplicity, owner = random_rows()
    together = read(layer, rows, multiplicity, owner)
    few = owner < n
    alone = read(layer, rows[few], multiplicity[few], owner[few])
    np.testing.assert_allclose(alone, together[:n], rtol=1e-4, atol=1e-6)


def test_a_multiplicity_is_that_many_equal_rows():
    layer = layer_with(from_maml(random_maml_weights()))
    rows, multiplicity, owner = random_rows()
    times = multiplicity.astype(int)
    one = np.ones(times.sum(), dtype=np.float32)
    repeated = read(layer, rows.repeat(times, axis=0), one, owner.repeat(times))
    np.testing.assert_allclose(
        read(layer, rows, multiplicity, owner), repeated, rtol=1e-5, atol=1e-5
    )


def test_a_supercell_and_another_order_of_rows_read_the_same():
    layer = layer_with(from_maml(random_maml_weights()))
    rows, multiplicity, owner = random_rows()
    # a factor of its own for every structure, then the rows of each structure reversed
    factor = np.array([2, 3, 5, 8], dtype=np.float32)[owner]
    shuffled = np.lexsort((-np.arange(len(owner)), owner))
    other = read(layer, rows[shuffled], (multiplicity * factor)[shuffled], owner)
    np.testing.assert_allclose(read(layer, rows, multiplicity, owner), other, rtol=1e-5, atol=1e-5)


def test_rows_of_multiplicity_zero_change_nothing_however_large():
    layer = layer_with(from_maml(random_maml_weights()))
    rows, multiplicity, owner = random_rows()
    at = [0, 3, 12]  # first, in the middle, last
    padded = read(
        layer,
        np.insert(rows, at, 1e4, axis=0),
        np.insert(multiplicity, at, 0),
        np.insert(owner, at, [0, 1, 3]),
    )
    np.testing.assert_allclose(read(layer, rows, multiplicity, owner), padded, rtol=1e-5, atol=1e-5)


def test_scores_beyond_the_range_of_exp_stay_finite():
    layer = layer_with(from_maml(random_maml_weights(scale=30.0)))
    rows, multiplicity, owner = random_rows()
    assert np.isfinite(read(layer, 10 * rows, multiplicity, owner)).all()


def test_weights_go_to_maml_and_back_with_the_norms_that_lamb_sees():
    given = random_maml_weights()
    ours = from_maml(given)
    there = to_maml(ours)
    for name, value in from_maml(there).items():
        np.testing.assert_allclose(value, ours[name], rtol=1e-6)
    for original, returned, names in zip(given, there, MAML_NAMES, strict=True):
        assert returned.shape == original.shape
        norm = np.sqrt(sum(np.sum(ours[name].astype(float) ** 2) for name in names))
        np.testing.assert_allclose(norm, np.linalg.norm(original), rtol=1e-6)


def test_initial_weights_are_drawn_as_mamls():
    width = 64
    values = initial_readout(np.random.default_rng(3), D, width)
    used = np.concatenate([values["hidden_kernel"], values["read_kernel"]])
    # 2 width orthonormal rows of 4 width columns: squared norm 2 width, idle part included
    whole = np.sum(used.astype(float) ** 2) + float(values["idle_kernel"][0]) ** 2
    np.testing.assert_allclose(whole, 2 * width, rtol=1e-4)
    # each entry has variance 1 / (4 width), cut out or not
    np.testing.assert_allclose(used.var(), 1 / (4 * width), rtol=0.05)
    assert not values["gate_bias"].any()
    np.testing.assert_allclose(values["idle_bias"], [np.sqrt(width)])
    limit = np.sqrt(6 / (D + width))
    assert 0.95 * limit < np.abs(values["kernel"]).max() <= limit
    assert not values["bias"].any()


def test_drawing_follows_the_seed():
    one, same, other = (orthogonal(np.random.default_rng(s), 6, 9) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1
    np.testing.assert_allclose(one @ one.T, np.eye(6), rtol=1e-5, atol=1e-5)
    tall = orthogonal(np.random.default_rng(1), 9, 6)
    np.testing.assert_allclose(tall.T @ tall, np.eye(6), rtol=1e-5, atol=1e-5)
    kernel = glorot_uniform(np.random.default_rng(1), 300, 200)
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel.var(), 2 / 500, rtol=0.02)


def test_the_layer_is_rebuilt_from_its_config():
    layer = WeightedSet2Set(WIDTH, 2)
    twin = WeightedSet2Set.from_config(layer.get_config())
    assert (twin.width, twin.steps) == (WIDTH, 2)


def test_drawn_weights_have_the_layers_shapes():
    drawn = initial_readout(np.random.default_rng(0), D, WIDTH)
    assert {name: value.shape for name, value in drawn.items()} == readout_shapes(D, WIDTH)
    assert {value.dtype for value in drawn.values()} == {np.dtype(np.float32)}


def test_a_draw_is_the_one_of_householders_qr():
    normal = np.random.default_rng(3).standard_normal((64, 32), dtype=np.float32)
    q, r = np.linalg.qr(normal.astype(np.float64))
    drawn = orthogonal(np.random.default_rng(3), 64, 32)
    np.testing.assert_allclose(drawn, q * np.sign(np.diag(r)), atol=1e-6)
