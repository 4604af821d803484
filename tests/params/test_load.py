import subprocess
import sys
from pathlib import Path

import pytest

from pneumonia.errors import UserError
from pneumonia.params.load import load_params
from pneumonia.params.paths import user_path

from ..conftest import REPOSITORY, write_params


def test_auto_takes_what_is_recommended_for_the_dataset_and_the_model(make_params):
    params = make_params({"dataset": "kermany", "model": "resnet", "models.resnet.recommended.ema": 0.5})
    assert (params.clean.image_size, params.train.batch_size, params.train.augmentation.strength) == (224, 32, 1)
    assert (params.train.optimizer, params.train.ema) == ("adamw", 0.5)


def test_a_given_value_wins_over_what_is_recommended(make_params):
    assert make_params({"train.epochs": 3}).train.epochs == 3


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("model", "incepton", ["model is 'incepton'; it should be 'cnn', 'resnet', 'alexnet'"]),
        ("dataset", "kermny", ["dataset is 'kermny'; it should be 'phantom', 'kermany'", "or 'several'"]),
        ("task", "segment", ["task is 'segment'", "'binary', 'multiclass' or 'localize'"]),
        ("model", "centernet", ["model is 'centernet'; for task binary it should be one of cnn, resnet, alexnet"]),
        ("task", "localize", ["model is 'cnn'; for task localize it should be one of resnet_seg, centernet"]),
        ("models.centernet.alpha", 0.4, ["models.centernet.alpha is 0.4; it should be one of 0.35, 0.5"]),
        ("localize.shrink", [], ["localize.shrink is []", "at least 1 item"]),
        ("train.epochs", "ten", ["train.epochs is 'ten'", "integer, or auto"]),
        ("train.epochs", 0, ["train.epochs is 0", "greater than or equal to 1"]),
        ("train.batch_size", 2.5, ["train.batch_size is 2.5", "integer"]),
        ("train.lerning_rate", 0.1, ["train.lerning_rate is not a known key", "learning_rate"]),
        ("train.augmentation.rotation", 9, ["train.augmentation.rotation is 9", "less than or equal to 3.15"]),
        ("train", None, ["train is None"]),
        ("datasets.phantom.recommended.epochs", -1, ["datasets.phantom.recommended.epochs is -1"]),
        ("datasets", {}, ["datasets.phantom is missing"]),
        ("datasets", 3, ["datasets is 3"]),
        ("datasets.phantom", None, ["datasets.phantom is None"]),
        ("datasets.kermny", {}, ["datasets.kermny is not a known key; it may be one of folder, kermany"]),
        ("models.centernet.backbone", "cnn", ["backbone is 'cnn'; it should be one of convnext", "mobilenet_v2"]),
        ("compute.scheduler", "http://host:1", ["compute.scheduler is 'http://host:1'", "tcp://host:port"]),
        ("compute.workers", 0, ["compute.workers is 0", "-1"]),
        ("split.val_per_class", True, ["split.val_per_class is True", "integer"]),
        ("datasets.kermany.path", 3, ["datasets.kermany.path is 3", "string"]),
        ("datasets.medmnist.size", 50, ["datasets.medmnist.size is 50", "28, 64, 128 or 224"]),
        ("models.cnn.recommended.learning_rate", "fast", ["train.learning_rate is 'fast'"]),
        ("train.optimizer", "adm", ["train.optimizer is 'adm'", "'nadam' or 'lion', or auto"]),
        ("train.ema", 1, ["train.ema is 1", "less than 1, or auto"]),
        ("train.mixup", -0.1, ["train.mixup is -0.1", "greater than or equal to 0, or auto"]),
        ("train.cutmix", "much", ["train.cutmix is 'much'", "number"]),
        ("train.clip_norm", -1, ["train.clip_norm is -1", "greater than or equal to 0"]),
        ("train.weight_decay", 2, ["train.weight_decay is 2", "less than 1, or auto"]),
        ("train.schedule", "step", ["train.schedule is 'step'", "'constant', 'cosine' or 'plateau'"]),
        ("train.warmup_epochs", -1, ["train.warmup_epochs is -1", "greater than or equal to 0"]),
        ("train.loss", "hinge", ["train.loss is 'hinge'", "'cross_entropy' or 'focal'"]),
        ("train.label_smoothing", 1, ["train.label_smoothing is 1", "less than 1, or auto"]),
        ("train.initial_bias", "yes", ["train.initial_bias is 'yes'", "boolean"]),
        ("train.monitor", "loss", ["train.monitor is 'loss'", "'val_loss' or 'val_auc'"]),
        ("train.patience", 0, ["train.patience is 0", "greater than or equal to 1"]),
        (
            "train.augmentation.apply_to",
            "some",
            ["train.augmentation.apply_to is 'some'", "'all', 'repeats' or 'none'"],
        ),
        ("train.augmentation.horizontal_flip", 1, ["train.augmentation.horizontal_flip is 1", "boolean"]),
        *[
            (f"train.augmentation.{name}", -0.1, [f"train.augmentation.{name} is -0.1", "greater than or equal to 0"])
            for name in ("zoom", "shift", "gamma", "contrast", "brightness", "noise", "blur")
        ],
        ("models.resnet50.head_epochs", 0, ["models.resnet50.head_epochs is 0"]),
        ("models.resnet50.head_learning_rate", 0, ["models.resnet50.head_learning_rate is 0", "greater than 0"]),
        ("models.resnet50.dropout", 1, ["models.resnet50.dropout is 1", "less than 1"]),
        ("models.resnet50.weights", "", ["models.resnet50.weights is ''"]),
        ("train.precision", "half", ["train.precision is 'half'", "'auto', 'float32'"]),
        ("train.augmentation.strength", 2, ["train.augmentation.strength is 2", "or equal to 1, or auto"]),
        ("train.augmentation.compression", -1, ["train.augmentation.compression is -1"]),
        ("train.augmentation.vertical_flip", True, ["vertical_flip is not a known key", "horizontal_flip"]),
        ("models.mobilenet_v2.alpha", 0.3, ["models.mobilenet_v2.alpha is 0.3", "0.35, 0.5"]),
        ("models.googlenet.auxiliary_heads", 1, ["models.googlenet.auxiliary_heads is 1", "boolean"]),
        ("models.vgg19.fine_tune_from", 3, ["models.vgg19.fine_tune_from is 3", "string"]),
        ("models.alexnet.weights", "auto", ["models.alexnet.weights is 'auto'", "no published ones"]),
        ("models.cnn.weights", "imagenet", ["models.cnn.weights is 'imagenet'", "it should be random or a path"]),
        ("datasets.folder.path", "", ["datasets.folder.path is ''"]),
        ("seed", -1, ["seed is -1", "greater than or equal to 0"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key_what_it_was_and_what_it_may_be(tmp_path, key, value, told):
    path = write_params(tmp_path / "params.yaml", {key: value})
    with pytest.raises(UserError) as error:
        load_params(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    for part in told:
        assert part in str(error.value)


@pytest.mark.parametrize(("text", "told"), [("a: [1", "is not YAML at line"), ("- 1", "holds list"), ("", "NoneType")])
def test_a_file_without_parameters_is_one_line(tmp_path, text, told):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        load_params(path)


IMPOSSIBLE = [
    "1" + "0" * 30,
    "0x" + "f" * 6000,
    "1" * 5000,
    "1.0e+30",
    "1e30",
    "1e400",
    ".inf",
    "-.inf",
    ".nan",
    "true",
]


@pytest.mark.parametrize("value", IMPOSSIBLE)
@pytest.mark.parametrize(
    "key",
    [
        "seed", "clean.min_size", "clean.image_size", "split.val_per_class", "train.epochs", "train.batch_size",
        "train.warmup_epochs", "train.patience", "train.learning_rate", "train.clip_norm", "train.augmentation.blur",
        "models.resnet50.head_epochs", "models.resnet_seg.filters", "evaluate.cost_of_miss", "evaluate.draws",
        "datasets.phantom.seed", "datasets.phantom.patients", "compute.workers", "models.mobilenet_v2.alpha",
    ],
)  # fmt: skip
def test_a_number_that_no_machine_can_use_is_one_short_line(tmp_path, key, value):
    path = write_params(tmp_path / "params.yaml", {key: "VALUE"})
    path.write_text(path.read_text().replace(" VALUE\n", f" {value}\n"))
    with pytest.raises(UserError) as error:
        load_params(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400 + len(str(path))
    assert f"{key} is " in str(error.value) or "is not YAML" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"train.warmup_epochs": 5, "train.epochs": 5},
            "warmup_epochs is 5; it should be less than train.epochs, 5",
        ),
        ({"train.warmup_epochs": 14}, "train.warmup_epochs is 14; it should be less than train.epochs, 14"),
        (
            {"rebalance.method": "augment", "train.augmentation.apply_to": "none"},
            "train.augmentation.apply_to is 'none'; it should be all or repeats for rebalance.method augment",
        ),
        (
            {"train.augmentation.apply_to": "repeats"},
            "'repeats'; it should be all or none for",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_one_line(make_params, changes, told):
    with pytest.raises(UserError, match=told) as error:
        make_params(changes)
    assert "\n" not in str(error.value)


def test_a_single_epoch_and_a_schedule_without_warm_up_need_no_other_setting(make_params):
    assert make_params({"train.epochs": 1}).train.warmup_epochs == 1
    assert make_params({"train.epochs": 3, "train.warmup_epochs": 9, "train.schedule": "plateau"}).train.epochs == 3


@pytest.mark.parametrize("text", ["seed: 2024-13-45", "seed: " + "[" * 3000])
def test_yaml_that_python_cannot_make_values_of_is_one_line(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError, match=r"is not YAML|is nested too deeply") as error:
        load_params(tmp_path / "params.yaml")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        load_params(tmp_path / "absent.yaml")


def test_relative_paths_start_at_the_main_repository(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert user_path("films") == tmp_path / "films"
    assert user_path("/films") == Path("/films")


def test_boxes_are_asked_only_of_sources_that_have_them_and_of_whole_films(make_params):
    asked = {"task": "localize", "model": "centernet"}
    make_params(asked)
    with pytest.raises(UserError, match="dataset is 'kermany'; for task localize it should be one of phantom, rsna"):
        make_params(asked | {"dataset": "kermany"})
    for unusable in ({"train.cutmix": 0.5}, {"train.label_smoothing": 0.1}, {"train.loss": "focal"}):
        with pytest.raises(UserError, match=r"should be 0 and train.loss cross_entropy for task localize"):
            make_params(asked | unusable)


def test_all_is_checked_without_importing_keras():
    code = "import sys; from pneumonia.params.load import load_params; load_params(); print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
