"""The page's server and clients of all kinds: pages of other sites, those that leave, stall or lie, many at once."""

import contextlib
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import uvicorn

from pneumonia.commands import uploads
from pneumonia.commands.app import server
from pneumonia.inference.predictor import Prediction, Predictor
from pneumonia.models.resnet import network as resnet
from pneumonia.params.load import load_params
from pneumonia.radiographs.radiograph import Radiograph

from ...conftest import write_params
from ...small_classifier import brightness_network, decision, png, thorax, write_classifier, write_with_twin

HELD, FAILING = 200, 300
"""The sides of films that the predictor holds back, and at which it fails."""


class Hesitant(Predictor):
    """Answers films of HELD pixels a side once `go_on` is set, and fails at those of FAILING."""

    def predict_films(self, films: list[Radiograph]) -> list[Prediction]:
        side = films[0].pixels.shape[0]
        if side == HELD:
            assert self.go_on.wait(60)
        if side == FAILING:
            raise RuntimeError("the network is gone")
        return super().predict_films(films)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory) -> Hesitant:
    folder = tmp_path_factory.mktemp("clients")
    params = load_params(write_params(folder / "params.yaml", {}))
    network = resnet.build(params.models.resnet, 64, 1, None)
    return Hesitant.load(write_classifier(folder / "models", network, decision(threshold=0.4)))


@pytest.fixture(scope="module")
def port(predictor) -> Iterator[int]:
    with answering(predictor) as port:
        yield port


@contextlib.contextmanager
def answering(predictor: Predictor) -> Iterator[int]:
    app = server.make_app(predictor, "model")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="warning"))
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        while not running.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        running.should_exit = True
        thread.join()


@pytest.fixture(autouse=True)
def gate(predictor) -> Iterator[threading.Event]:
    predictor.go_on = threading.Event()
    yield predictor.go_on
    predictor.go_on.set()


def ask(port: int, data: bytes, **headers: str) -> tuple[int, dict]:
    return request(port, "POST", "/answer", data, **headers)


def request(port: int, method: str, path: str, data: bytes | None = None, **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        said = response.read()
        return response.status, json.loads(said) if "json" in response.headers["content-type"] else {"text": said}


def send_head(port: int, *lines: str, body: bytes = b"") -> socket.socket:
    """A connection that has sent the head of a post to /answer with `lines`, and `body`."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = ["POST /answer HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines]
    connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
    return connection


def answer_of(connection: socket.socket) -> tuple[int, dict]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.parametrize("host", ["films.example", "films.example:{port}", "127.0.0.1.films.example:{port}", ""])
def test_under_a_foreign_name_there_is_neither_page_nor_answer(port, host):
    host = host.format(port=port)
    for method, path, data in (("GET", "/", None), ("POST", "/answer", png(thorax(1)))):
        status, said = request(port, method, path, data, Host=host)
        assert (status, said) == (400, {"text": b"Invalid host header"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://films.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:{port}"},
    ],
)
def test_a_film_from_the_page_of_another_site_is_refused_unread(port, headers):
    headers = [f"{name}: {value.format(port=port)}" for name, value in headers.items()]
    with send_head(port, "Content-Length: 1000000", *headers) as connection:  # no body: none is waited for
        status, said = answer_of(connection)
    assert status == 403
    assert "another site" in said["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:9000", "[::1]:9000", "127.0.0.1"])
def test_under_its_own_names_page_and_programs_are_answered_at_any_port(port, host):
    host = host.format(port=port)
    assert request(port, "GET", "/", Host=host)[0] == 200
    assert ask(port, png(thorax(1)), Host=host)[0] == 200
    assert ask(port, png(thorax(1)), Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin")[0] == 200


def test_a_client_that_leaves_is_no_failure_of_the_server(port, predictor, gate, caplog):
    film = png(thorax(1, HELD))
    for body in (b"", film[:1000]):  # in the middle of the upload
        send_head(port, f"Content-Length: {len(film)}", body=body).close()
    left = [send_head(port, f"Content-Length: {len(film)}", body=film) for _ in range(2 * server.FILMS_AT_ONCE)]
    time.sleep(0.5)  # some are at the network now, the others wait for their turn
    for connection in left:
        connection.close()
    gate.set()
    assert ask(port, png(thorax(1)))[0] == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_body_that_never_comes_or_never_ends_is_waited_for_only_so_long(port, monkeypatch):
    monkeypatch.setattr(uploads, "UPLOAD_SECONDS", 1)
    stalled = [
        send_head(port, "Content-Length: 1000", body=png(thorax(1))[:100]),
        send_head(port, "Content-Length: 999999999999"),
        send_head(port, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"),
    ]
    stalled += [send_head(port, "Content-Length: 1") for _ in range(server.FILMS_AT_ONCE - len(stalled))]
    time.sleep(0.2)
    assert ask(port, png(thorax(1)))[0] == 200  # all turns were taken
    for connection in stalled:
        with connection:
            assert answer_of(connection) == (408, {"detail": "the film did not arrive within 1 seconds"})


def test_what_is_too_long_is_not_held_and_its_sender_hears_so(port):
    megabyte = b"f4240\r\n" + bytes(1_000_000) + b"\r\n"
    held = psutil.Process().memory_info().rss
    with send_head(port, "Transfer-Encoding: chunked", "Connection: close") as connection:
        for _ in range(300):
            connection.sendall(megabyte)
        held = psutil.Process().memory_info().rss - held
        connection.sendall(b"0\r\n\r\n")
        assert answer_of(connection) == (413, {"detail": "more than 50,000,000 bytes, which no film has"})
    assert held < 150_000_000
    with send_head(port, "Content-Length: 3", body=png(thorax(1))) as connection:  # more than it says
        assert answer_of(connection)[0] == 400
    assert ask(port, png(thorax(1)))[0] == 200


def test_while_films_are_worked_on_the_page_comes_and_another_film_is_answered(port, gate):
    with ThreadPoolExecutor() as clients:
        held = [clients.submit(ask, port, png(thorax(1, HELD))) for _ in range(server.FILMS_AT_ONCE - 1)]
        time.sleep(0.3)
        assert request(port, "GET", "/")[0] == 200
        assert ask(port, png(thorax(2)))[0] == 200
        assert not any(answer.done() for answer in held)
        gate.set()
        assert [answer.result()[0] for answer in held] == [200] * len(held)


def test_films_beyond_those_at_once_wait_unread_and_are_all_answered(port, gate):
    film = png(thorax(1, HELD))
    film += bytes(30_000_000 - len(film))  # more than the sockets hold between client and server
    sent = []

    def ask_and_tell(number: int) -> tuple[int, dict]:
        with send_head(port, f"Content-Length: {len(film)}") as connection:
            connection.settimeout(60)
            connection.sendall(film)
            sent.append(number)
            return answer_of(connection)

    with ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(ask_and_tell, number) for number in range(8)]
        until(lambda: len(sent) >= server.FILMS_AT_ONCE)
        time.sleep(1)
        assert len(sent) == server.FILMS_AT_ONCE
        assert request(port, "GET", "/")[0] == 200
        gate.set()
        assert [answer.result()[0] for answer in answers] == [200] * 8


def test_films_at_the_same_time_get_the_answers_that_each_alone_gets(port):
    films = [png(thorax(seed)) for seed in range(12)]
    alone = [ask(port, film) for film in films]
    with ThreadPoolExecutor(6) as clients:
        assert list(clients.map(lambda film: ask(port, film), films)) == alone
    assert len({said["probability"] for _, said in alone}) > 1


def test_an_unforeseen_failure_is_told_as_json_and_the_server_lives_on(port):
    status, said = ask(port, png(thorax(1, FAILING)))
    assert (status, said) == (500, {"detail": "the server failed: RuntimeError, see its terminal"})
    assert ask(port, png(thorax(1)))[0] == 200


def test_without_evidence_an_answer_waits_for_no_keras_and_without_keras_it_comes_all_the_same(tmp_path):
    chosen = decision().model_copy(update={"notice": "For children."})
    models = write_with_twin(tmp_path / "models", brightness_network(), chosen)
    (models / "model.keras").write_bytes(b"damaged")
    with answering(Predictor.load(models)) as port:
        status, alone = request(port, "POST", "/answer?evidence=false", png(thorax(1)))
        _, whole = ask(port, png(thorax(1)))
    assert status == 200
    assert alone["probability"] == pytest.approx(thorax(1).mean() / 255, abs=0.003)
    assert alone["notice"] == "For children."
    assert "overlay" not in alone
    assert whole["evidence"].startswith("none: ")
    assert "model.keras: cannot be read" in whole["evidence"]
    assert whole["overlay"] == whole["film"] == alone["film"]
