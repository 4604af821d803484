import hashlib
import socket
import threading
from pathlib import Path

import pytest

from pneumonia.errors import UserError
from pneumonia.params.paths import user_cache
from pneumonia.sources.shared import fetching
from pneumonia.sources.shared.fetching import Download, fetch_file, provenance

BODY = bytes(range(256)) * 32768  # 8 MiB, some chunks
SHA256 = hashlib.sha256(BODY).hexdigest()


def published(url: str) -> Download:
    return Download(f"{url}/films.zip", "films.zip", f"sha256:{SHA256}", len(BODY))


def message_of(download: Download, cache: Path) -> str:
    with pytest.raises(UserError) as caught:
        fetch_file(download, cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def films_in(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.suffix != ".lock"]


def test_a_file_is_transferred_once_and_then_taken_from_the_cache(web, tmp_path, capsys):
    web.files["films.zip"] = BODY
    first = fetch_file(published(web.url), tmp_path / "cache")
    assert first.read_bytes() == BODY
    assert "100%" in capsys.readouterr().err  # of the progress bar
    assert fetch_file(published(web.url), tmp_path / "cache") == first
    assert web.requests["films.zip"] == 1


def test_a_damaged_file_in_the_cache_is_transferred_again(web, tmp_path):
    web.files["films.zip"] = BODY
    fetch_file(published(web.url), tmp_path).write_bytes(BODY[:-1])
    assert fetch_file(published(web.url), tmp_path).read_bytes() == BODY


def test_an_interrupted_transfer_leaves_nothing_and_the_next_one_succeeds(web, tmp_path):
    web.files["films.zip"] = BODY
    web.cut_off.add("films.zip")
    assert "broke off after 2,097,152 bytes" in message_of(published(web.url), tmp_path)
    assert films_in(tmp_path) == []
    web.cut_off.clear()
    assert fetch_file(published(web.url), tmp_path).read_bytes() == BODY


def test_a_transfer_that_stalls_is_given_up_and_the_next_one_succeeds(web, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_TIMEOUT", 0.5)
    web.files["films.zip"] = BODY
    web.stalled.add("films.zip")
    told = "films.zip: the transfer stalled after 2,097,152 bytes: none came for 0.5 s; run it again"
    assert message_of(published(web.url), tmp_path).endswith(told)
    assert films_in(tmp_path) == []
    web.stalled.clear()
    assert fetch_file(published(web.url), tmp_path).read_bytes() == BODY


def test_a_file_that_is_always_elsewhere_is_told_as_such(web, tmp_path):
    web.circling.add("films.zip")
    assert "Exceeded 30 redirects" in message_of(published(web.url), tmp_path)
    assert films_in(tmp_path) == []


def test_what_a_killed_process_left_behind_is_replaced(web, tmp_path):
    web.files["films.zip"] = BODY
    (tmp_path / ".partial-films.zip").write_bytes(b"x" * (len(BODY) + 1))
    assert fetch_file(published(web.url), tmp_path).read_bytes() == BODY
    assert films_in(tmp_path) == ["films.zip"]


def test_two_at_once_share_one_transfer(web, tmp_path):
    web.files["films.zip"] = BODY
    threads = [threading.Thread(target=fetch_file, args=(published(web.url), tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "films.zip").read_bytes() == BODY
    assert web.requests["films.zip"] == 1


def test_another_file_than_the_published_one_is_refused(web, tmp_path):
    web.files["films.zip"] = BODY[:-1] + b"!"
    message = message_of(published(web.url), tmp_path)
    assert SHA256 in message and hashlib.sha256(web.files["films.zip"]).hexdigest() in message
    web.files["films.zip"] = b"<html>Please log in</html>"
    assert "26 bytes; the published file has 8,388,608" in message_of(published(web.url), tmp_path)
    assert films_in(tmp_path) == []


def test_a_missing_file_is_told_as_404(web, tmp_path):
    assert f"{web.url}/films.zip: refused by the server (404" in message_of(published(web.url), tmp_path)


def test_a_server_that_is_not_there_is_told_as_such(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert "Connection refused" in message_of(published(f"http://127.0.0.1:{port}"), tmp_path)


def test_a_cache_that_cannot_be_written_is_told_as_such(web, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert "cannot be written" in message_of(published(web.url), tmp_path / "cache")


def test_an_md5_and_no_size_are_enough(web, tmp_path):
    web.files["a.npz"] = b"abc"
    download = Download(f"{web.url}/a.npz", "a.npz", "md5:900150983cd24fb0d6963f7d28e17f72")
    file = fetch_file(download, tmp_path)
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert provenance(file) == {"bytes": 3, "sha256": sha256}


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("PNEUMONIA_CACHE", str(tmp_path))
    assert user_cache() == tmp_path
    monkeypatch.delenv("PNEUMONIA_CACHE")
    assert user_cache().name == "pneumonia"
