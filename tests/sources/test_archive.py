import stat
import struct
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from pneumonia.errors import UserError
from pneumonia.sources.shared.archive import extract_members, list_members


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as zip_file:
        for name, content in members.items():
            zip_file.writestr(name, content)
    return path


def refusal(archive: Path) -> str:
    with pytest.raises(UserError) as caught:
        list_members(archive, (".jpeg",))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_members_are_chosen_by_suffix_and_unpacked_where_told(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"t/b.jpeg": b"b", "t/a.JPEG": b"a", "t/.DS_Store": b"x", "t/c.txt": b"c"})
    assert list_members(archive, (".jpeg",)) == ["t/a.JPEG", "t/b.jpeg"]
    extract_members(archive, {"t/b.jpeg": tmp_path / "out" / "deep" / "film.jpeg"})
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["film.jpeg"]
    assert (tmp_path / "out" / "deep" / "film.jpeg").read_bytes() == b"b"


@pytest.mark.parametrize("name", ["../a.jpeg", "t/../../a.jpeg", "/etc/a.jpeg", "C:/a.jpeg", "..\\a.jpeg"])
def test_members_that_lead_out_are_refused(tmp_path, name):
    assert "leads out of the archive" in refusal(write_zip(tmp_path / "a.zip", {"ok.jpeg": b"x", name: b"x"}))


def test_symbolic_links_are_refused(tmp_path):
    link = ZipInfo("t/a.jpeg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with ZipFile(tmp_path / "a.zip", "w") as zip_file:
        zip_file.writestr(link, "/etc/passwd")
    assert "symbolic link" in refusal(tmp_path / "a.zip")


def test_bombs_are_refused(tmp_path):
    assert "over 100 times" in refusal(write_zip(tmp_path / "a.zip", {"a.jpeg": bytes(4 << 20)}))
    archive = write_zip(tmp_path / "b.zip", {"a.jpeg": b"film"})
    content = bytearray(archive.read_bytes())
    size_in_directory = content.rindex(b"PK\x01\x02") + 24
    content[size_in_directory : size_in_directory + 4] = struct.pack("<I", 300 << 20)
    archive.write_bytes(content)
    assert "has 314,572,800 bytes" in refusal(archive)


def test_encrypted_members_are_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a.jpeg": b"film"})
    content = bytearray(archive.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    assert "encrypted" in refusal(archive)


def altered(archive: Path, signature: bytes, offset: int, value: bytes) -> None:
    """Change a field of each of the archive's records that begin with `signature`."""
    content = bytearray(archive.read_bytes())
    place = content.find(signature)
    while place >= 0:
        content[place + offset : place + offset + len(value)] = value
        place = content.find(signature, place + 4)
    archive.write_bytes(content)


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def extracted_or_refused(archive: Path, out: Path) -> str:
    """What is said when all films of the archive are unpacked into `out`; empty where nothing is."""
    try:
        names = list_members(archive, (".jpeg",))
        extract_members(archive, {name: out / f"{number}.jpeg" for number, name in enumerate(names)})
    except UserError as error:
        return str(error)
    return ""


def test_a_size_that_is_no_ones_and_an_unusual_compression_are_one_line(tmp_path):
    for name, signature, offset, value, told in (
        ("huge", CENTRAL, 24, struct.pack("<I", 0xFFFFFFFE), "has 4,294,967,294 bytes"),
        ("kind", CENTRAL, 10, struct.pack("<H", 97), "is damaged (That compression method is not supported)"),
        ("crc", CENTRAL, 16, struct.pack("<I", 7), "is damaged (Bad CRC-32"),
        ("start", CENTRAL, 42, struct.pack("<I", 0x7FFFFFFF), "damaged"),
        ("short", CENTRAL, 24, struct.pack("<I", 2), "is damaged (Bad CRC-32"),
    ):
        archive = write_zip(tmp_path / f"{name}.zip", {"t/a.jpeg": b"a film of some bytes" * 9})
        altered(archive, signature, offset, value)
        said = extracted_or_refused(archive, tmp_path / name)
        assert said.startswith(f"{archive}: ")
        assert told in said
        assert "\n" not in said


def test_members_that_share_their_bytes_or_their_name_unpack_to_no_more_than_they_declare(tmp_path):
    overlapping = write_zip(tmp_path / "overlapping.zip", {f"t/{n}.jpeg": bytes(200_000) for n in range(50)})
    altered(overlapping, CENTRAL, 42, struct.pack("<I", 0))  # all begin where the first does
    assert "over 100 times its size" in extracted_or_refused(overlapping, tmp_path / "overlapping")
    few = write_zip(tmp_path / "few.zip", {"t/a.jpeg": b"film a", "t/b.jpeg": b"film b"})
    altered(few, CENTRAL, 42, struct.pack("<I", 0))
    assert "is damaged (" in extracted_or_refused(few, tmp_path / "few")
    with ZipFile(tmp_path / "twice.zip", "w") as zip_file, pytest.warns(UserWarning, match="Duplicate name"):
        zip_file.writestr("t/a.jpeg", b"one")
        zip_file.writestr("t/a.jpeg", b"two")
    assert extracted_or_refused(tmp_path / "twice.zip", tmp_path / "twice") == ""
    assert [file.read_bytes() for file in (tmp_path / "twice").iterdir()] == [b"two"]


def test_nothing_is_ever_written_outside_the_places_that_were_given(tmp_path):
    """Archives with each byte of their records changed, one at a time."""
    whole = write_zip(tmp_path / "a.zip", {"t/a.jpeg": b"film" * 20, "t/b.jpeg": b"mlif" * 20}).read_bytes()
    before = {file for file in Path.cwd().iterdir()}
    for place in range(len(whole)):
        for value in (0x00, 0x2E, 0x2F, 0xFF):
            (tmp_path / "a.zip").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            assert "\n" not in extracted_or_refused(tmp_path / "a.zip", tmp_path / "out")
    assert {file.name for file in tmp_path.iterdir()} <= {"a.zip", "out"}
    assert {file.name for file in (tmp_path / "out").rglob("*")} <= {"0.jpeg", "1.jpeg"}
    assert {file for file in Path.cwd().iterdir()} == before


def test_what_is_no_whole_zip_is_refused(tmp_path):
    (tmp_path / "page.zip").write_text("<html>404</html>")
    assert "is not a zip archive" in refusal(tmp_path / "page.zip")
    whole = write_zip(tmp_path / "whole.zip", {"a.jpeg": bytes(range(256))}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "cut off" in refusal(tmp_path / "cut.zip")
    assert "No such file" in refusal(tmp_path / "none.zip")


def test_a_damaged_member_is_named(tmp_path):
    archive = tmp_path / "a.zip"
    with ZipFile(archive, "w") as zip_file:
        zip_file.writestr("t/a.jpeg", b"a film of some bytes")
    archive.write_bytes(archive.read_bytes().replace(b"a film of some", b"A film of some"))
    with pytest.raises(UserError, match=r"'t/a.jpeg' is damaged"):
        extract_members(archive, {"t/a.jpeg": tmp_path / "a.jpeg"})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full, a disk without space")
def test_a_full_disk_is_told_as_such(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a.jpeg": b"film"})
    with pytest.raises(UserError, match=r"/dev/full: cannot be written .No space left on device"):
        extract_members(archive, {"a.jpeg": Path("/dev/full")})
