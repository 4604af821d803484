"""The command of a bundle: answers about films, a server for them, and a check that the answers are the right ones."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from pneumonia.commands.bundled.contents import Contents
from pneumonia.errors import UserError, exit_on_user_error


def main(folder: Path) -> None:
    """Do what the command line says with the bundle in `folder`; the exit code is 1 where something is wrong."""
    given = _parser().parse_args()
    contents = Contents(folder)
    with exit_on_user_error():
        if not contents.twin.is_file():
            raise UserError(f"{contents.twin}: is not there; a bundle answers by it")
        if given.command == "predict":
            from pneumonia.commands.predict import write_predictions

            model = nullcontext((contents.model, contents.version))
            sys.exit(bool(write_predictions(given.films, model, None, given.format, given.output)))
        if given.command == "check":
            from pneumonia.commands.bundled.check import check

            print(check(contents))
        else:
            from pneumonia.commands.bundled.server import serve

            serve(contents, given.host, given.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Pneumonia in chest radiographs. This is no medical device.")
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser("predict", help="a row a film, with the reason where one cannot be used")
    predict.add_argument("films", nargs="+", type=Path, metavar="FILE|FOLDER")
    predict.add_argument("--format", choices=["table", "csv", "json"], default="table")
    predict.add_argument("--output", type=Path, help="a file for the rows, instead of stdout")
    commands.add_parser("check", help="whether the films in `films` get the answers that they must get")
    serve = commands.add_parser("serve", help="POST a film to /predict; /health says whether it answers")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    return parser
