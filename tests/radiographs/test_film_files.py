"""Which files in a folder are films, on real folders."""

import os
from pathlib import Path

import pytest

from pneumonia.errors import UserError
from pneumonia.radiographs.film_files import find_films


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_what_systems_add_and_what_is_hidden_is_ignored_in_any_folder(tmp_path):
    films = ["a.JPG", "deep/er/b.dicom", "c.dcm", "blank.png "]
    hidden = ["._a.JPG", ".Trash-1000/a.png", "__MACOSX/._a.png", "$RECYCLE.BIN/a.png", "deep/@eaDir/b.jpg/thumb.jpg"]
    write(tmp_path, *films, *hidden, "System Volume Information/a.png", "Thumbs.db", "notes.txt", "png")
    found = find_films(tmp_path)
    assert found.films == sorted(films)
    assert found.told() == [
        "left out 6 hidden files and folders, or the system's (the first is $RECYCLE.BIN)",
        "left out 3 files that are no .dcm, .dicom, .jpeg, .jpg, .png (the first is Thumbs.db)",
    ]
    assert find_films(tmp_path / "__MACOSX").films == []  # its only file is hidden
    assert find_films(tmp_path / "$RECYCLE.BIN").films == ["a.png"]  # the user names it himself


def test_folders_of_masks_are_left_out_unless_named(tmp_path):
    write(tmp_path, "images/a.png", "masks/a.png", "lung masks/a.png", "infection_mask/b/a.png", "unmasked/a.png")
    found = find_films(tmp_path)
    assert found.films == ["images/a.png", "unmasked/a.png"]
    assert found.told() == ["left out 3 masks (the first is infection_mask/b/a.png)"]
    assert find_films(tmp_path / "masks").films == ["a.png"]


def test_links_are_followed_and_each_folder_is_searched_once_by_its_own_place(tmp_path):
    films, outside = write(tmp_path / "films", "b/1.png"), write(tmp_path / "outside", "2.png", "below/3.png")
    (films / "a").symlink_to("b")  # comes before the folder itself
    (films / "c").symlink_to(outside / "below")
    (films / "d").symlink_to(outside)  # holds the folder that c leads to
    (films / "e").symlink_to(outside)
    (films / "b" / "around").symlink_to("..")
    (films / "b" / "above").symlink_to(tmp_path)  # holds `films`
    (films / "b" / "itself.png").symlink_to("itself.png")
    (films / "f.png").symlink_to(outside / "2.png")
    (films / "g.png").symlink_to(outside / "2.png")
    (films / "gone").symlink_to("nowhere")
    found = find_films(films)
    assert found.films == ["b/1.png", "c/3.png", "d/2.png", "f.png", "g.png"]
    assert found.missing == ["b/itself.png"]
    assert sorted(found.ignored.values()) == [["a", "b/above", "b/around", "d/below", "e"], ["gone"]]
    assert "left out 1 films that are links and lead nowhere (the first is b/itself.png)" in found.told_with_missing()


def test_what_is_no_file_is_no_film(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert find_films(tmp_path).told() == ["left out 1 entries that are no files (the first is pipe.png)"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    write(tmp_path, "a.png", "closed/b.png")
    (tmp_path / "closed").chmod(0)
    with pytest.raises(UserError, match="closed: cannot be read"):
        find_films(tmp_path)


def test_what_is_told_is_one_line_that_a_terminal_does_not_obey(tmp_path):
    write(tmp_path, "two\nlines\x1b[31m.txt")
    [line] = find_films(tmp_path).told()
    assert "two\\nlines\\x1b[31m.txt" in line and line.isprintable()


@pytest.mark.parametrize(
    "name",
    ["masks/1.png", "leftMask/1.png", "lungmasks/1.png", "Masks (2)/1.png", "mask_images/1.png", "1_mask.png",
     "segmentation/1.png"],
)  # fmt: skip
def test_masks_go_by_many_names(tmp_path, name):
    for file in (name, "1.png", "maskless/2.png"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"film")
    found = find_films(tmp_path)
    assert found.films == ["1.png", "maskless/2.png"]
    assert found.ignored == {"masks": [name]}
