"""What a registered network says of films from elsewhere, as the part that an evaluation works on."""

import numpy as np

from pneumonia.annotations.labels import can_place, class_names, count_healthy, to_classes
from pneumonia.errors import UserError, few
from pneumonia.evaluation.parts import Part, alter_and_ask
from pneumonia.inference.decision import Decision
from pneumonia.inference.network import BATCH, Network
from pneumonia.inference.probabilities import probability_of_pneumonia, scale
from pneumonia.validation.fewest import too_few
from pneumonia.validation.films import FilmsElsewhere


def ask(network: Network, films: np.ndarray) -> np.ndarray:
    """The network's probabilities, float64 (N, C), for films, uint8 (N, S, S); with two classes, of both."""
    batches = [network(films[start : start + BATCH][..., None])[-1] for start in range(0, len(films), BATCH)]
    raw = np.concatenate(batches).astype(np.float64)
    return np.hstack([1 - raw, raw]) if raw.shape[1] == 1 else raw


def class_names_for(labels: list[str], decision: Decision) -> tuple[list[str], np.ndarray]:
    """The classes that films with `labels` can be judged by, and the number of each film's class, int64 (N,).

    They are the model's own where the films have all of them; else, where labels are coarser or a class has no film,
    those of its binary task: pneumonia or not.
    """
    opacities = decision.classes == class_names(decision.task, True) != class_names(decision.task)
    opacities = opacities or decision.task == "localize"
    if can_place(labels, decision.task, opacities):
        truth = to_classes(labels, decision.task, opacities)
        if len(set(truth.tolist())) == len(decision.classes):
            return decision.classes, truth
    return class_names("binary", opacities), to_classes(labels, "binary", opacities)


def part_of(films: FilmsElsewhere, network: Network, decision: Decision) -> tuple[Part, list[str], np.ndarray]:
    """The part that the films are, the names of its classes (see `class_names_for`), and what the network says of all
    its own classes, unscaled, float64 (N, C).

    Raises:
        UserError: too few patients with or without pneumonia.
    """
    names, truth = class_names_for(films.table["label"].tolist(), decision)
    healthy = count_healthy(names)
    table = films.table.assign(**{"class": np.array(names)[truth]})
    if why := too_few(table["patient"], truth >= healthy):
        labels = few([f"{count} {label}" for label, count in table["label"].value_counts().items()])
        raise UserError(f"{why}; the films are {labels}")
    raw = ask(network, films.images)
    merged = names != decision.classes

    def of_names(probabilities: np.ndarray) -> np.ndarray:
        if not merged:
            return probabilities
        sick = probability_of_pneumonia(probabilities, decision.healthy)
        return np.stack([1 - sick, sick], axis=1)

    probabilities = of_names(scale(raw, decision.temperature))
    altered = {"as it is": probability_of_pneumonia(probabilities, healthy)} | alter_and_ask(
        lambda pixels: ask(network, pixels), films.images, decision.temperature, decision.healthy
    )
    return Part(table, healthy, truth, of_names(raw), probabilities, altered), names, raw
