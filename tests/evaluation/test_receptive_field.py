import keras
import numpy as np
import pytest
from keras import layers, ops

from pneumonia.evaluation.receptive_field import (
    effective_receptive_field,
    effective_size,
    layer_table,
    plot_receptive_field,
    summary,
)


def model(size, *stack) -> keras.Model:
    film = x = keras.Input((size, size, 1), name="film")
    for layer in stack:
        x = layer(x)
    return keras.Model(film, x)


def row(network, name):
    return layer_table(network).set_index("layer").loc[name]


def ones(filters, kernel, strides=1, **options) -> layers.Conv2D:
    return layers.Conv2D(filters, kernel, strides, use_bias=False, kernel_initializer="ones", **options)


def local_response(x):
    """As `models.shared.local_response`: the operations of Keras that a graph then holds."""
    _, height, width, channels = x.shape
    squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (2, 2)))
    rows = ops.reshape(squares, (-1, height * width, channels + 4, 1))
    sums = 5 * ops.average_pool(rows, (1, 5), strides=1, padding="valid")
    return x / ops.power(2.0 + 1e-4 * ops.reshape(sums, (-1, height, width, channels)), 0.75)


def published(name, size) -> keras.Model:
    film = keras.Input((size, size, 1), name="film")
    x = layers.Concatenate()([film, film, film])
    options = {"include_preprocessing": False} if name.startswith(("EfficientNetV2", "ConvNeXt")) else {}
    network = getattr(keras.applications, name)(include_top=False, weights=None, input_tensor=x, **options)
    return keras.Model(film, layers.Dense(1)(layers.GlobalAveragePooling2D()(network.output)))


def alexnet() -> keras.Model:
    return model(
        227,
        layers.Conv2D(96, 11, 4),
        local_response,
        layers.MaxPooling2D(3, 2),
        layers.Conv2D(256, 5, padding="same", groups=2),
        local_response,
        layers.MaxPooling2D(3, 2),
        layers.Conv2D(384, 3, padding="same"),
        layers.Conv2D(384, 3, padding="same", groups=2),
        layers.Conv2D(256, 3, padding="same", groups=2),
        layers.MaxPooling2D(3, 2),
        layers.Flatten(),
        layers.Dense(10),
    )


@pytest.mark.parametrize(
    ("name", "size", "receptive_field", "billions"),
    # The first four fields are published, the others are 1 + Σ (kernel - 1) · stride by hand along the deepest path.
    # Multiply-adds: the papers' to their figures, less the heads of 1,000 classes.
    [
        ("VGG19", 224, 268, 19.51),
        ("MobileNet", 224, 315, 0.568),
        ("InceptionV3", 299, 1311, 5.71),
        ("ResNet50", 224, 483, 3.86),
        ("MobileNetV2", 224, 491, 0.30),
        ("DenseNet121", 224, 2071, 2.83),
        ("EfficientNetV2B0", 224, 763, 0.72),
        ("ConvNeXtTiny", 224, 1688, 4.45),
    ],
)
def test_published_networks_have_the_published_fields_and_costs(name, size, receptive_field, billions):
    network = published(name, size)
    cost = summary(network)
    assert (cost.receptive_field, cost.stride) == (receptive_field, 32)
    assert cost.multiply_adds / 1e9 == pytest.approx(billions, rel=0.01)
    assert cost.parameters == network.count_params()


def test_alexnet_sees_what_araujo_et_al_say_layer_by_layer():
    """Local response normalisation is in no row, and changes nothing."""
    table = layer_table(alexnet())
    spatial = table.dropna()
    assert spatial["receptive_field"].tolist() == [1, 11, 19, 51, 67, 99, 131, 163, 195]
    assert spatial["stride"].tolist() == [1, 4, 8, 8, 16, 16, 16, 16, 32]
    assert spatial["output"].tolist()[-1] == "6x6x256"
    assert table["type"].tolist()[-1] == "Dense"
    assert table["receptive_field"].isna().tolist()[-1]


def test_dilation_and_rectangular_kernels_widen_the_field():
    network = model(
        32,
        layers.Conv2D(2, 3, name="plain"),
        layers.DepthwiseConv2D(3, dilation_rate=4, name="dilated"),
        layers.MaxPooling2D(2, name="halved"),
        layers.SeparableConv2D(3, 3, padding="same", name="separable"),
        layers.Conv2D(2, (1, 7), padding="same", name="wide"),
    )
    fields = layer_table(network).set_index("layer")["receptive_field"]
    assert fields[["plain", "dilated", "halved", "separable", "wide"]].tolist() == [3, 11, 12, 16, 28]


def test_where_paths_meet_the_larger_field_goes_on():
    film = keras.Input((32, 32, 1))
    x = layers.Conv2D(4, 3, 2, "same")(film)
    branch = layers.Conv2D(4, 5, padding="same")(layers.ReLU()(x))
    added = layers.Add(name="added")([x, branch])
    after = layers.Conv2D(2, 3, padding="same", name="after")(added)
    network = keras.Model(film, after)
    assert row(network, "added")[["receptive_field", "stride"]].tolist() == [3 + 4 * 2, 2]
    assert row(network, "after")["receptive_field"] == 3 + 4 * 2 + 2 * 2


def test_a_gate_that_saw_the_whole_film_leaves_the_places_of_its_map():
    film = keras.Input((32, 32, 1))
    x = layers.Conv2D(4, 3, 2, "same")(film)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="excite")(gate)
    network = keras.Model(film, layers.Multiply(name="gated")([gate, x]))
    assert row(network, "excite")[["receptive_field", "stride"]].isna().all()
    assert row(network, "excite")["multiply_adds"] == 4 * 4
    assert row(network, "gated")[["receptive_field", "stride"]].tolist() == [3, 2]


def test_multiply_adds_by_hand():
    network = model(
        16,
        layers.Conv2D(8, 3, padding="same", name="plain"),
        layers.Conv2D(12, 5, 2, padding="same", groups=4, name="grouped"),
        layers.SeparableConv2D(6, 3, name="separable"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise"),
        layers.Flatten(),
        layers.Dense(10, name="dense"),
    )
    adds = layer_table(network).set_index("layer")["multiply_adds"]
    assert adds["plain"] == 16 * 16 * 9 * 1 * 8
    assert adds["grouped"] == 8 * 8 * 25 * (8 // 4) * 12
    assert adds["separable"] == 6 * 6 * (9 * 12 + 12 * 6)
    assert adds["depthwise"] == 4 * 4 * 9 * 6 * 2
    assert adds["dense"] == 4 * 4 * 12 * 10
    assert adds.sum() == summary(network).multiply_adds


def test_auxiliary_outputs_are_left_out():
    film = keras.Input((16, 16, 1))
    x = layers.Conv2D(4, 3)(film)
    main = layers.Dense(1, name="main")(layers.GlobalAveragePooling2D()(x))
    auxiliary = layers.Dense(1, name="auxiliary")(layers.Flatten()(layers.Conv2D(4, 9)(x)))
    cost = summary(keras.Model(film, [main, auxiliary]))
    assert cost == summary(keras.Model(film, main))
    assert cost.parameters == 40 + 5


def test_an_operation_that_pools_counts_as_the_layer_does():
    network = model(16, layers.Conv2D(2, 3), lambda x: ops.max_pool(x, 2))
    assert layer_table(network).iloc[-1][["type", "output"]].tolist() == ["MaxPool", "7x7x2"]
    assert summary(network)[2:] == (4, 2)


@pytest.mark.parametrize(
    "operation",
    [
        layers.Conv2DTranspose(2, 3, 2, name="culprit"),
        layers.Conv2DTranspose(2, 3, padding="same", name="culprit"),  # its map keeps its shape
        layers.UpSampling2D(name="culprit"),
        layers.LayerNormalization(axis=(1, 2, 3), name="culprit"),
        layers.GroupNormalization(1, name="culprit"),
        layers.Permute((2, 1, 3), name="culprit"),
        layers.Reshape((4, 16, 2), name="culprit"),
    ],
)
def test_an_operation_that_is_not_known_is_an_error_that_names_it(operation):
    with pytest.raises(ValueError, match=rf"culprit \({type(operation).__name__}\)"):
        layer_table(model(8, layers.Conv2D(2, 1), operation))


def test_places_that_were_reshaped_away_are_an_error():
    """To the network they are rows or channels now, so that a pooling or a dense layer would mix them unseen."""

    def pooled_rows(x):
        return ops.average_pool(ops.reshape(x, (-1, 64, 2, 1)), (3, 1), strides=1, padding="same")

    with pytest.raises(ValueError, match="AveragePool"):
        layer_table(model(8, layers.Conv2D(2, 1), pooled_rows))
    with pytest.raises(ValueError, match="Reshape"):
        layer_table(model(8, layers.Reshape((64,)), layers.Dense(64)))


def test_paths_of_other_strides_and_layers_called_twice_are_errors():
    film = keras.Input((9, 9, 1))
    halved = layers.Conv2D(1, 3, 2)(film)  # (B, 4, 4, 1), as `cut` is
    cut = layers.Conv2D(1, 6)(film)
    with pytest.raises(ValueError, match="added"):
        layer_table(keras.Model(film, layers.Add(name="added")([halved, cut])))
    twice = layers.Conv2D(1, 3, padding="same", name="twice")
    with pytest.raises(ValueError, match="called twice"):
        layer_table(keras.Model(film, layers.ReLU()(twice(twice(film)))))


def test_a_saved_network_has_the_same_table(tmp_path):
    network = model(64, layers.Conv2D(4, 5, 2), local_response, layers.MaxPooling2D(3), layers.Flatten())
    network.save(tmp_path / "network.keras")
    assert layer_table(keras.saving.load_model(tmp_path / "network.keras")).equals(layer_table(network))


def test_the_effective_field_is_the_gradient_by_hand():
    """Two convolutions of ones: the middle unit is Σ w w' pixel with w = 1, 2, 3, 2, 1."""
    network = model(11, ones(3, 3, padding="same"), layers.BatchNormalization(), ones(2, 3, padding="same"))
    films = np.random.default_rng(0).integers(0, 256, (3, 11, 11, 1)).astype("uint8")
    field = effective_receptive_field(network, films)
    expected = np.zeros((11, 11))
    expected[3:8, 3:8] = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]) / 9
    assert field.dtype == np.float32
    assert field == pytest.approx(expected, abs=1e-6)
    assert effective_size(field) == 5  # all 25: the least, 1 / 9, is over 4.55 %
    assert effective_size(np.array([[1, 0.05], [0.045, 0.05]])) == pytest.approx(3**0.5)


def test_the_effective_field_is_a_mean_over_films_of_absolute_gradients():
    """A pixel squared has 2 · pixel as its gradient; with the sign of its film it would cancel."""
    film = keras.Input((3, 3, 1))
    x = layers.Rescaling(1.0, offset=-100)(film)
    network = keras.Model(film, layers.AveragePooling2D(3, 1)(ops.square(x)))
    films = np.full((2, 3, 3, 1), 100, "uint8")
    films[:, 0, 0, 0] = 90, 110
    films[:, 2, 1, 0] = 100, 105
    expected = np.zeros((3, 3))
    expected[0, 0], expected[2, 1] = 1, 0.25
    assert effective_receptive_field(network, films) == pytest.approx(expected)


def test_the_field_lies_on_the_film_where_the_gradient_says():
    """Of positive kernels every pixel in the theoretical field has a gradient, so the two end where the other does."""
    film = keras.Input((61, 61, 1))
    x = layers.ZeroPadding2D(((2, 1), (2, 1)))(film)
    x = ones(2, 5, 2, padding="valid")(x)
    x = layers.AveragePooling2D(2, padding="same")(x)
    shortcut = layers.AveragePooling2D(2, padding="same")(x)
    x = ones(2, 3, 2, padding="same")(x)
    network = keras.Model(film, layers.Add(name="last")([x, shortcut]))
    seen = np.flatnonzero(effective_receptive_field(network, np.full((1, 61, 61, 1), 9, "uint8")).max(axis=0))
    last = row(network, "last")
    middle = network.output.shape[1] // 2
    first = last["first_pixel"] + middle * last["stride"]
    assert (seen[0], seen[-1]) == (first, first + last["receptive_field"] - 1)


def test_the_network_is_left_as_it_was():
    network = model(
        16, layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Dropout(0.5), layers.ReLU(), layers.Conv2D(4, 3)
    )
    network.layers[1].trainable = False
    weights, trainable = network.get_weights(), [layer.trainable for layer in network.layers]
    flags = [weight.trainable for weight in network.weights]
    names = [weight.path for weight in network.weights]
    films = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1)).astype("uint8")
    first, second = effective_receptive_field(network, films), effective_receptive_field(network, films)
    assert np.array_equal(first, second)  # nothing is dropped at random
    assert all(np.array_equal(mine, was) for mine, was in zip(network.get_weights(), weights, strict=True))
    assert [layer.trainable for layer in network.layers] == trainable
    assert [weight.trainable for weight in network.weights] == flags
    assert [weight.path for weight in network.weights] == names
    with pytest.raises(ValueError):  # films of another size
        effective_receptive_field(network, films[:, :8])
    assert [weight.trainable for weight in network.weights] == flags


def test_a_network_of_mixed_precision_is_measured_in_float32():
    """The kernels' product is under the least number of float16."""
    stack = [layers.Conv2D(1, 3, kernel_initializer=keras.initializers.Constant(1e-5), dtype="mixed_float16")]
    stack += [layers.Conv2D.from_config({**stack[0].get_config(), "name": "second"})]
    network = model(9, *stack)
    assert effective_size(effective_receptive_field(network, np.ones((1, 9, 9, 1), "uint8"))) == 5
    assert {layer.dtype_policy.name for layer in stack} == {"mixed_float16"}


def test_a_unit_that_answers_to_nothing_is_an_error():
    network = model(8, layers.Conv2D(2, 3, kernel_initializer="zeros"))
    with pytest.raises(ValueError, match="depends on no pixel"):
        effective_receptive_field(network, np.ones((1, 8, 8, 1), "uint8"))


def test_the_picture_shows_both_fields(tmp_path):
    network = model(32, ones(2, 3, 2), ones(2, 3))
    film = np.full((32, 32, 1), 100, "uint8")
    figure = plot_receptive_field(layer_table(network), effective_receptive_field(network, film[None]), film)
    figure.savefig(tmp_path / "figure.png")
    right = figure.axes[1]
    (outline,) = right.patches
    assert "theoretical 7 px (outlined), effective 7 px" in right.get_title()
    assert (outline.get_x(), outline.get_width()) == (11.5, 7)  # pixels 12 to 18: unit 6 of 13, at a stride of 2
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["stride 2", "the film: 32"]
