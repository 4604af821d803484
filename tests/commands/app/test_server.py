"""The page as one uses it: a real server, and a real browser where there is one."""

import base64
import http.server
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from pneumonia.inference.decision import Abstention
from pneumonia.models.resnet import network as resnet
from pneumonia.params.load import load_params

from ...conftest import write_params
from ...small_classifier import decision, png, register_classifier, thorax, write_classifier

REAL_FILMS = Path(__file__).parents[3] / ".." / "shared" / "data" / "chest_xray" / "test"


def resnet_of(folder: Path) -> keras.Model:
    """A small residual network, untrained."""
    params = load_params(write_params(folder / "params.yaml", {}))
    return resnet.build(params.models.resnet, 64, 1, None)


@contextmanager
def served(store: str, folder: Path) -> Iterator[str]:
    """The address of a page for the champion in `store`, which runs in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pneumonia.commands.cli", "app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "MLFLOW_TRACKING_URI": store})
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(address).read()
                break
            except OSError:
                time.sleep(0.25)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[str]:
    """The address of a page for a registered residual network."""
    folder = tmp_path_factory.mktemp("app")
    models = write_classifier(folder / "models", resnet_of(folder), decision(threshold=0.4))
    with served(register_classifier(folder, models), folder) as address:
        yield address


def ask(page: str, data: bytes) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{page}/answer", data, method="POST")) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_a_film_gets_a_prediction_and_a_picture_of_its_evidence(page):
    status, answer = ask(page, png(thorax(1)))
    assert status == 200
    assert answer["model"] == "pneumonia-binary version 1"
    assert answer["evidence"] == "Grad-CAM"
    assert (answer["label"] == "pneumonia") == (answer["probability"] >= answer["threshold"] == 0.4)
    assert np.array_equal(np.asarray(picture(answer["film"])), thorax(1))
    assert picture(answer["overlay"]).size == (96, 96)


def test_what_is_no_film_is_refused_and_the_page_lives_on(page):
    assert ask(page, b"no film") == (400, {"detail": "no film: not an image: neither JPEG nor PNG nor DICOM"})
    assert ask(page, b"") == (400, {"detail": "no film: empty"})
    assert ask(page, png(thorax(1, size=20)))[1] == {"detail": "no film: too small: 20 x 20 pixels"}
    assert ask(page, bytes(60_000_000)) == (413, {"detail": "more than 50,000,000 bytes, which no film has"})
    assert ask(page, png(thorax(1)))[0] == 200


@pytest.mark.slow
def test_a_port_in_use_is_one_line(page, tmp_path):
    command = [sys.executable, "-m", "pneumonia.commands.cli", "app", "--port", page.rpartition(":")[2]]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 1
    assert "cannot be had (Address already in use); --port may be another" in said.stderr.splitlines()[-1]


def test_in_a_browser_a_film_that_is_not_answered_is_uncertain_and_the_band_is_told(browser, tmp_path):
    band = Abstention(low=0.0, high=1.0, unfamiliar=False, rule="by hand")
    directory = write_classifier(
        tmp_path / "models", resnet_of(tmp_path), decision().model_copy(update={"abstention": band})
    )
    film = tmp_path / "film.png"
    film.write_bytes(png(thorax(1)))
    with served(register_classifier(tmp_path, directory), tmp_path) as address:
        browser.get(address)
        browser.find_element(By.ID, "file").send_keys(str(film))
        label = browser.find_element(By.ID, "label")
        WebDriverWait(browser, 30).until(lambda _: label.text)
        assert label.text == "uncertain"
        assert "uncertain from 0.0 % up to 100.0 %" in browser.find_element(By.ID, "probability").text


@pytest.fixture
def browser():
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("there is no chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()


def test_in_a_browser_a_film_is_chosen_and_its_answer_shown(page, browser, tmp_path):
    film = next(REAL_FILMS.resolve().rglob("*.jpeg"), None)
    if film is None:
        film = tmp_path / "film.png"
        film.write_bytes(png(thorax(1)))
    browser.get(page)
    browser.find_element(By.ID, "file").send_keys(str(film))
    label = browser.find_element(By.ID, "label")
    WebDriverWait(browser, 30).until(lambda _: label.text)
    assert label.text in ("normal", "pneumonia")
    assert browser.find_element(By.ID, "name").text == film.name
    text = browser.find_element(By.ID, "probability").text
    share = float(text.removeprefix("probability of pneumonia ").partition("%")[0]) / 100
    bar = browser.find_element(By.ID, "bar")
    drawn = bar.find_element(By.TAG_NAME, "i").rect["width"] / bar.rect["width"]
    assert drawn == pytest.approx(share, abs=0.01)
    evidence = browser.find_element(By.ID, "evidence")
    WebDriverWait(browser, 30).until(lambda _: evidence.text == "Grad-CAM")
    shown = browser.find_element(By.ID, "film")
    with_heat = shown.get_attribute("src")
    browser.find_element(By.ID, "heat").click()
    assert shown.get_attribute("src") != with_heat
    assert shown.get_property("naturalWidth") > 90
    assert browser.get_log("browser") == []  # the page's own rules hinder it in nothing

    no_film = tmp_path / "<b>text<b><img src=x onerror=document.title='planted'>.jpg"
    no_film.write_text("no film")
    browser.find_element(By.ID, "file").send_keys(str(no_film))
    error = browser.find_element(By.ID, "error")
    WebDriverWait(browser, 30).until(lambda _: error.text)
    assert error.text == f"{no_film.name}: no film: not an image: neither JPEG nor PNG nor DICOM"
    assert not browser.find_element(By.ID, "prediction").is_displayed()


def test_in_a_browser_no_other_script_runs_in_the_page_and_no_other_site_shows_or_asks_it(page, browser, tmp_path):
    browser.get(page)
    planting = "const own = document.createElement('script'); own.textContent = 'window.planted = 1'"
    browser.execute_script(f"{planting}; document.body.append(own)")
    assert browser.execute_script("return window.planted") is None

    (tmp_path / "index.html").write_text(f"""<iframe src="{page}"></iframe><p id="said"></p><script>
        fetch("{page}/answer", {{method: "POST", mode: "no-cors", body: "film"}})
            .then(() => "answered", () => "refused").then(said => document.getElementById("said").textContent = said)
    </script>""")
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    ) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever).start()
        try:
            browser.get(f"http://127.0.0.1:{elsewhere.server_port}")
            said = browser.find_element(By.ID, "said")
            WebDriverWait(browser, 30).until(lambda _: said.text)
            assert said.text == "refused"
            browser.switch_to.frame(0)
            assert browser.find_elements(By.ID, "drop") == []
        finally:
            elsewhere.shutdown()


def test_a_page_whose_evidence_fails_says_so_beside_the_prediction(browser, page, tmp_path):
    (tmp_path / "film.png").write_bytes(png(thorax(1)))
    browser.get(page)
    browser.execute_script("""const real = window.fetch
        window.fetch = (address, how) => address == "answer" ? Promise.reject() : real(address, how)""")
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "film.png"))
    error = browser.find_element(By.ID, "error")
    WebDriverWait(browser, 30).until(lambda _: error.text)
    reason = "could not be sent: it cannot be read, or the server does not run any more"
    assert error.text == f"film.png: {reason}"
    assert browser.find_element(By.ID, "evidence").text == f"none: {reason}"
    assert browser.find_element(By.ID, "label").is_displayed()


def test_a_page_whose_server_has_gone_says_so(browser, page, tmp_path):
    (tmp_path / "film.png").write_bytes(png(thorax(1)))
    browser.get(page)
    browser.execute_cdp_cmd("Network.enable", {})
    nothing = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", nothing)
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "film.png"))
    error = browser.find_element(By.ID, "error")
    WebDriverWait(browser, 30).until(lambda _: error.text)
    assert error.text == "film.png: could not be sent: it cannot be read, or the server does not run any more"
