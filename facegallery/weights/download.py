"""Fetching a model's published file: it goes on where it broke off, and is checked before it is put in place."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.disk import hash_file
from facegallery.errors import DownloadFailed, ModelFileRefused, ModelNotFound
from facegallery.network import MAX_FILE_BYTES, load_network
from facegallery.version import __version__
from facegallery.weights.catalogue import ModelSpec
from facegallery.weights.files import InstalledModel, ModelFiles

if TYPE_CHECKING:
    import requests

RETRY_PAUSES_S = (1.0, 2.0, 4.0)
"""How long to wait before each new attempt after a transfer broke off; then it is given up."""

_TIMEOUTS_S = (10.0, 30.0)  # to connect; between two pieces
_CHUNK_BYTES = 1 << 14  # small: of the piece in which a connection breaks, nothing is handed out
_HASH = re.compile(r"[0-9a-f]{64}")

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes there will be (None where the server does not say)."""


@dataclass(frozen=True, slots=True)
class _Transfer:
    """One file on its way.

    Attributes:
        spec: The model that it is for.
        url: Where it is asked for.
        part: The file that grows.
        resumable: Whether bytes of an earlier attempt may be kept. Without a known hash nothing would tell that the
            rest belongs to another file.
        on_progress: Told of each piece, where somebody wants to know.
    """

    spec: ModelSpec
    url: str
    part: Path
    resumable: bool
    on_progress: Progress | None

    @property
    def n_kept(self) -> int:
        """Bytes of earlier attempts that can be built upon."""
        return self.part.stat().st_size if self.resumable and self.part.exists() else 0

    @property
    def most_bytes(self) -> int:
        """No honest answer is longer."""
        return MAX_FILE_BYTES if self.spec.n_bytes is None else self.spec.n_bytes

    def report(self, n_here: int, n_total: int | None) -> None:
        """Tell how far it is."""
        if self.on_progress is not None:
            self.on_progress(n_here, n_total)

    def failed(self, what_happened: str, next_step: str = "Run the same command again later") -> DownloadFailed:
        """The error that says what happened and names both ways out."""
        message = (
            f"{what_happened}. {next_step}; or fetch {self.url} on another machine, bring the file here and run "
            f"'facegallery model import {self.spec.name} FILE'."
        )
        return DownloadFailed(self.spec.name, self.url, message)


def pull(
    files: ModelFiles,
    name: str,
    *,
    url: str | None = None,
    sha256: str | None = None,
    trust_first: bool = False,
    on_progress: Progress | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> InstalledModel:
    """Fetch the file of a model of the catalogue, unless it is here already.

    What has arrived is kept in ``<file>.part`` when the transfer breaks off or is interrupted, and the next call goes
    on from there. Wrong bytes are removed.

    Args:
        files: The model files of this machine; the file joins them.
        name: The model.
        url: Another place to fetch the same file from, http or https.
        sha256: The file's hash, for a model whose hash is not in the catalogue.
        trust_first: For such a model: take whatever comes first if it has the right layout, and pin its hash.
        on_progress: Called with the bytes here and the bytes in all (None where unknown).
        pause: Waits between attempts.

    Raises:
        ModelNotFound: No model of this name can be fetched.
        ModelFileRefused: The bytes are not the known ones or not InceptionResnetV1's layout, or nothing is known to
            hold them against.
        DownloadFailed: The file could not be fetched, or not completely.
        ModelFolderUnavailable: The folder cannot be written, or another process is fetching this model.
    """
    spec = files.catalogue.get(name)
    if spec is None or spec.url is None:
        return _unpublished(files, name)
    pinned = _pinned_hash(files, spec, sha256, trust_first=trust_first)
    if (model := files.intact(name)) is not None:
        return model
    with files.exclusively(spec), files.writing():
        transfer = _Transfer(
            spec=spec,
            url=url or spec.url,
            part=files.folder / f"{spec.file_name}.part",
            resumable=pinned is not None,
            on_progress=on_progress,
        )
        if transfer.n_kept == 0 or hash_file(transfer.part) != pinned:
            _fetch(transfer, pause)
        arrived = _checked_hash(transfer, pinned)
        return files.put_in_place(spec, transfer.part, sha256=arrived, source=transfer.url)


def _unpublished(files: ModelFiles, name: str) -> InstalledModel:
    """The answer for a model that has no address: it is here, or cannot be had in this way."""
    if (model := files.intact(name)) is not None:
        return model
    published = ", ".join(spec.name for spec in files.catalogue.values() if spec.url is not None)
    raise ModelNotFound(
        name,
        f"Model {name!r} is published nowhere that is known. These are: {published}. 'facegallery model verify' checks "
        "the files that are here; weights of your own come by 'facegallery model import NAME FILE'.",
    )


def _pinned_hash(files: ModelFiles, spec: ModelSpec, given: str | None, *, trust_first: bool) -> str | None:
    """The hash that the file must have; None when it is to be trusted at first sight."""
    path = files.folder / spec.file_name
    here = next((model.fingerprint for model in files.installed() if model.spec.name == spec.name), None)
    known = spec.sha256 or here
    wanted = given.strip().lower() if given is not None else known
    if wanted is None and not trust_first:
        raise ModelFileRefused(
            spec.name,
            path,
            expected="a hash to check it by",
            actual="none in the catalogue",
            advice="Two ways: '--sha256 HASH' with the file's SHA-256 from a source that you trust; or "
            f"'--trust-first', which takes what {spec.url} sends if its layout is right, and holds the model to that.",
        )
    if wanted is not None and not _HASH.fullmatch(wanted):
        raise ModelFileRefused(
            spec.name, path, expected="a SHA-256 of 64 hex digits", actual=repr(given), advice="Give the whole hash."
        )
    if known is not None and wanted != known:
        raise ModelFileRefused(
            spec.name,
            path,
            expected=f"SHA-256 {known}",
            actual=f"{wanted} asked for",
            advice="Leave the hash out, or take the other file in under another name: "
            "'facegallery model import NAME FILE'.",
        )
    return wanted


def _fetch(transfer: _Transfer, pause: Callable[[float], None]) -> None:
    """Bring the file here completely, in several attempts where the connection is lost on the way."""
    import requests

    lost = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    reached = False
    with requests.Session() as session:
        # No compression, so that the bytes counted are the file's.
        session.headers.update({"User-Agent": f"facegallery/{__version__}", "Accept-Encoding": "identity"})
        for pause_s in (*RETRY_PAUSES_S, None):
            try:
                response, n_kept = _ask(session, transfer)
                reached = True
                with response:
                    _receive(response, n_kept, transfer)
                return
            except lost as error:
                if not reached:
                    raise _out_of_reach(transfer, error) from error
                if pause_s is None:
                    raise _broken_off(transfer) from error
                pause(pause_s)
            except requests.RequestException as error:
                raise transfer.failed(f"{transfer.url} cannot be fetched: {error}", "Check the address") from error


def _ask(session: requests.Session, transfer: _Transfer) -> tuple[requests.Response, int]:
    """Ask for what is not here yet.

    Returns:
        The response, and the number of bytes kept that its bytes follow (0 when the server sends the file anew).
    """
    n_kept = transfer.n_kept
    if n_kept:
        response = session.get(transfer.url, headers={"Range": f"bytes={n_kept}-"}, stream=True, timeout=_TIMEOUTS_S)
        if response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {n_kept}-"):
            return response, n_kept
        if response.status_code not in (206, 416):
            return _accepted(response, transfer), 0
        response.close()  # another range than was asked for, or none after what is kept: only the whole file helps
    return _accepted(session.get(transfer.url, stream=True, timeout=_TIMEOUTS_S), transfer), 0


def _accepted(response: requests.Response, transfer: _Transfer) -> requests.Response:
    """A response that carries the whole file as it is."""
    if response.status_code != 200:
        response.close()
        raise transfer.failed(f"{transfer.url} answered HTTP {response.status_code} {response.reason}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        response.close()
        raise transfer.failed(f"{transfer.url} was sent compressed, though not asked for so")
    return response


def _receive(response: requests.Response, n_kept: int, transfer: _Transfer) -> None:
    """Write what the response brings, after the bytes that are kept.

    Raises:
        ModelFileRefused: It is longer or shorter than the model's file.
        requests.ConnectionError: It ended before its announced end.
    """
    import requests

    announced = response.headers.get("Content-Length", "")
    n_total = n_kept + int(announced) if announced.isdigit() else transfer.spec.n_bytes
    if n_total is not None and (n_total > transfer.most_bytes or n_total != (transfer.spec.n_bytes or n_total)):
        # Perhaps a proxy's page: what was kept of the file itself is not given up for it.
        raise _wrong_size(transfer, f"{n_total:,} bytes announced by {transfer.url}")
    n_here = n_kept
    with transfer.part.open("ab" if n_kept else "wb") as file:
        transfer.report(n_here, n_total)
        for chunk in response.iter_content(_CHUNK_BYTES):
            n_here += len(chunk)
            if n_here > transfer.most_bytes:
                break
            file.write(chunk)
            transfer.report(n_here, n_total)
    if n_here > transfer.most_bytes:
        transfer.part.unlink()
        raise _wrong_size(transfer, f"more from {transfer.url}")
    if n_total is not None and n_here < n_total:
        raise requests.ConnectionError("the response ended before its announced end")


def _checked_hash(transfer: _Transfer, pinned: str | None) -> str:
    """Hold the complete file to the pinned hash and to the network's layout; remove it when it fails."""
    actual = hash_file(transfer.part)
    try:
        if pinned is not None and actual != pinned:
            raise ModelFileRefused(
                transfer.spec.name,
                transfer.part,
                expected=f"SHA-256 {pinned}",
                actual=actual,
                advice=f"It was removed. Run the same command again; if that ends so too, {transfer.url} has another "
                "file.",
            )
        load_network(transfer.part, name=transfer.spec.name, sha256=actual)
    except ModelFileRefused:
        transfer.part.unlink()
        raise
    return actual


def _wrong_size(transfer: _Transfer, actual: str) -> ModelFileRefused:
    at_most = "" if transfer.spec.n_bytes is not None else "at most "
    return ModelFileRefused(
        transfer.spec.name,
        transfer.part,
        expected=f"{at_most}{transfer.most_bytes:,} bytes",
        actual=actual,
        advice="That is another file, or a proxy's login page: open the address in a browser to see.",
    )


def _out_of_reach(transfer: _Transfer, error: requests.RequestException) -> DownloadFailed:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        reason = "its certificate was not accepted"
    elif isinstance(error, requests.exceptions.ProxyError):
        reason = "the proxy did not let it through"
    elif isinstance(error, requests.Timeout):
        reason = "no answer in time"
    else:
        reason = "no connection"
    return transfer.failed(
        f"{transfer.url} cannot be reached ({reason})",
        "Two ways out: connect this machine to the network and run the same command again",
    )


def _broken_off(transfer: _Transfer) -> DownloadFailed:
    n_kept = transfer.n_kept
    if not n_kept:
        return transfer.failed(f"The transfer of {transfer.url} broke off {len(RETRY_PAUSES_S) + 1} times")
    return transfer.failed(
        f"The transfer of {transfer.url} broke off {len(RETRY_PAUSES_S) + 1} times",
        f"Run the same command again: it goes on at {n_kept / 1e6:.1f} MB",
    )
