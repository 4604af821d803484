"""The hospitals that the films may be from: how often they see what, and how they take and mark a film."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Hospital:
    """What is the same for all films of a hospital."""

    number: int
    """Enters the seeds: a patient of one hospital is like none of another."""
    diagnoses: Mapping[str, float]
    """The share of patients with each."""
    level: float = 0.50  # the attenuation shown as mid-grey, in the mean
    contrast: tuple[float, float] = (4.1, 5.1)
    gamma: tuple[float, float] = (0.85, 1.2)
    noise: tuple[float, float] = (0.006, 0.020)
    border: float = 0.04  # the widest collimation, a share of the film
    collimated: float = 0.3  # the share of sides that are
    letters: tuple[str, str] = ("L", "R")  # beside the patient's left and right shoulder
    marked: tuple[float, float, float] = (0.45, 0.35, 0.2)  # the shares with each, and with none
    plates: bool = False  # whether the letters are large ones on a black plate
    marked_if: Mapping[str, tuple[float, float, float]] | None = None
    """These shares by diagnosis, where the letter goes with it."""


HOSPITALS = {
    "home": Hospital(0, {"normal": 0.27, "bacterial": 0.46, "viral": 0.27}),  # about as in the Kermany films
    "away": Hospital(
        1,
        {"normal": 0.65, "bacterial": 0.20, "viral": 0.15},
        level=0.42,
        contrast=(5.2, 6.2),
        gamma=(0.65, 0.85),
        noise=(0.015, 0.030),
        border=0.10,
        collimated=0.8,
        letters=("E", "D"),
        marked=(0.1, 0.8, 0.1),
    ),
    "lettered": Hospital(
        2,
        {"normal": 0.5, "bacterial": 0.3, "viral": 0.2},
        plates=True,
        marked_if={"normal": (0.97, 0.03, 0.0), "bacterial": (0.03, 0.97, 0.0), "viral": (0.03, 0.97, 0.0)},
    ),
}
"""`away` takes its films otherwise and sees fewer who are ill. In `lettered` the ill are marked on the right, others on
the left: a network that learns the letter is right there, and nowhere else."""
