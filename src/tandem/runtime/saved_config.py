"""The configuration document that worked last, in a file: what the server starts from.

Does not know what a document means. A crash leaves the old file or the new one, never a half.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tandem.runtime.failure import CONFIG_INVALID, RUNTIME, CannotRun

FILE = "config.json"


def read(directory: Path) -> object:
    """Return the document saved in ``directory``; an empty one when there is none yet. Raises CannotRun."""
    path = directory / FILE
    try:
        return msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise CannotRun(
            CONFIG_INVALID, f"{path} is not JSON ({error}); move it aside, start, and reload the configuration"
        ) from None
    except OSError as error:
        raise CannotRun(RUNTIME, f"{path} cannot be read: {error.strerror}; see its access rights") from None


def prepare(directory: Path, document: object) -> Path:
    """Write a document durably beside the one in force; return the file for ``adopt``. Raises OSError."""
    path = directory / f"{FILE}.new"
    with open(path, "wb") as file:
        file.write(msgspec.json.encode(document))
        file.flush()
        os.fsync(file.fileno())
    return path


def adopt(directory: Path, prepared: Path) -> None:
    """Put a prepared document in force. Raises OSError."""
    prepared.replace(directory / FILE)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
