"""Fetching a model file over a network that may do anything, from a real HTTP server on this machine."""

from __future__ import annotations

import json
import re
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from facegallery import __version__
from facegallery.errors import DownloadFailed, ModelFileRefused, ModelFolderUnavailable, ModelNotFound
from facegallery.weights.catalogue import CATALOGUE, STARTER
from facegallery.weights.download import RETRY_PAUSES_S, pull
from facegallery.weights.files import ModelFiles
from tests.weight_files import sha256, small_weights

PUBLISHED = small_weights(0.01)
SAME_SIZE = small_weights(0.02)
HALF = len(PUBLISHED) // 2
PIECE = 1 << 14  # what is read at a time: no more than this is lost with a connection
MANY = len(RETRY_PAUSES_S) + 1


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    body: bytes = PUBLISHED
    status: int = 200
    ranges: bool = True  # whether a Range header is heeded
    shift: int = 0  # how far from the asked byte a range begins
    announce: bool = True  # whether the length is stated
    cuts: list[int] = field(default_factory=list)  # bytes after which each next connection is dropped
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    n_sent: int = 0

    @property
    def ranges_asked(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("Range") for _path, headers in self.asked]


class Server(ThreadingHTTPServer):
    """A server whose behaviour the test changes."""

    behaviour: Behaviour


class Handler(BaseHTTPRequestHandler):
    """Answers a GET as the server's behaviour says."""

    def do_GET(self) -> None:
        """The name is http.server's."""
        does = cast(Server, self.server).behaviour
        does.asked.append((self.path, dict(self.headers.items())))
        if self.path == "/moved":
            self.reply(302, b"", {"Location": "/weights.pt"})
        elif does.status != 200:
            self.reply(does.status, b"no", {})
        elif does.ranges and (asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))):
            self.reply_range(does, int(asked[1]) + does.shift)
        else:
            self.reply(200, does.body, does.headers)

    def reply_range(self, does: Behaviour, start: int) -> None:
        """The file from one byte on."""
        n_bytes = len(does.body)
        if start >= n_bytes:
            self.reply(416, b"", {"Content-Range": f"bytes */{n_bytes}"})
        else:
            self.reply(206, does.body[start:], {"Content-Range": f"bytes {start}-{n_bytes - 1}/{n_bytes}"})

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """A response, cut short where the behaviour says so."""
        does = cast(Server, self.server).behaviour
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if does.announce:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status in (200, 206) and does.cuts:
            body = body[: does.cuts.pop(0)]
        try:
            for start in range(0, len(body), 4096):
                does.n_sent += len(body[start : start + 4096])  # before the client can have it and look
                self.wfile.write(body[start : start + 4096])
        except ConnectionError:
            pass  # the client has heard enough

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Nothing is printed."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.behaviour = Behaviour()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def does(server: Server) -> Behaviour:
    return server.behaviour


@pytest.fixture
def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/weights.pt"


@pytest.fixture
def files(tmp_path: Path, url: str) -> ModelFiles:
    """An empty models folder; vggface2 is a small file on the server, casia-webface another of unknown hash."""
    vggface2 = replace(CATALOGUE["vggface2"], url=url, sha256=sha256(PUBLISHED), n_bytes=len(PUBLISHED))
    casia = replace(CATALOGUE["casia-webface"], url=url)
    return ModelFiles(tmp_path / "models", {**CATALOGUE, "vggface2": vggface2, "casia-webface": casia})


@pytest.fixture
def part(files: ModelFiles) -> Path:
    """Where vggface2 grows."""
    files.folder.mkdir()
    return files.folder / f"{files.catalogue['vggface2'].file_name}.part"


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def fetch(files: ModelFiles, pauses: list[float]) -> Callable[[], bytes]:
    """Pull vggface2 without waiting, and give its bytes."""
    return lambda: pull(files, "vggface2", pause=pauses.append).path.read_bytes()


def kept(files: ModelFiles) -> set[str]:
    """What lies in the folder, but for the empty lock files."""
    return {path.name for path in files.folder.iterdir() if path.suffix != ".lock"}


# --- when all goes well -----------------------------------------------------------------------------------------------


def test_a_pulled_file_is_a_model_from_then_on(files: ModelFiles, does: Behaviour, url: str) -> None:
    """The bytes are in place, recorded with their address, nothing else is left, and progress was told to the end."""
    told: list[tuple[int, int | None]] = []
    model = pull(files, "vggface2", on_progress=lambda n_here, n_total: told.append((n_here, n_total)))
    assert model.path.read_bytes() == PUBLISHED
    assert files.find("vggface2") == model
    assert kept(files) == {model.spec.file_name, "vggface2.json"}
    assert json.loads((files.folder / "vggface2.json").read_text(encoding="utf-8"))["source"] == url
    assert told == sorted(told)
    assert told[0] == (0, len(PUBLISHED))
    assert told[-1] == (len(PUBLISHED), len(PUBLISHED))
    assert does.ranges_asked == [None]


def test_a_request_says_nothing_about_the_person(files: ModelFiles, does: Behaviour) -> None:
    """The program's name and version, no compression, and nothing else that is not HTTP's own."""
    pull(files, "vggface2")
    headers = does.asked[0][1]
    assert headers.pop("User-Agent") == f"facegallery/{__version__}"
    assert headers.pop("Accept-Encoding") == "identity"
    assert headers.keys() <= {"Host", "Accept", "Connection"}


def test_a_file_that_is_here_is_not_asked_for_again(files: ModelFiles, does: Behaviour) -> None:
    """The second pull, and one of the bundled model, ask the server nothing."""
    first = pull(files, "vggface2")
    assert pull(files, "vggface2") == first
    assert pull(files, STARTER).bundled
    assert len(does.asked) == 1


def test_a_damaged_file_is_fetched_anew(files: ModelFiles, fetch: Callable[[], bytes]) -> None:
    """Being here is not enough: the bytes must be right."""
    pull(files, "vggface2").path.write_bytes(SAME_SIZE)
    assert fetch() == PUBLISHED
    assert files.verify()[-1].ok


def test_another_address_and_a_redirect_are_followed(files: ModelFiles, does: Behaviour, url: str) -> None:
    """The file may come from a mirror; the hash is the same."""
    model = pull(files, "vggface2", url=url.replace("weights.pt", "moved"))
    assert model.path.read_bytes() == PUBLISHED
    assert [path for path, _headers in does.asked] == ["/moved", "/weights.pt"]


def test_a_server_that_does_not_state_the_length_serves_as_well(does: Behaviour, fetch: Callable[[], bytes]) -> None:
    """The size is known from the catalogue."""
    does.announce = False
    assert fetch() == PUBLISHED


# --- broken off, and going on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("announce", "n_lost"), [(True, PIECE), (False, 1)])
def test_a_lost_connection_is_taken_up_where_it_broke(
    announce: bool, n_lost: int, does: Behaviour, pauses: list[float], fetch: Callable[[], bytes]
) -> None:
    """After a pause only the rest is asked for; at most the piece in which it broke comes twice."""
    does.cuts, does.announce = [HALF], announce
    assert fetch() == PUBLISHED
    n_kept = HALF + len(PUBLISHED) - does.n_sent
    assert does.ranges_asked == [None, f"bytes={n_kept}-"]
    assert len(PUBLISHED) <= does.n_sent < len(PUBLISHED) + n_lost
    assert pauses == [RETRY_PAUSES_S[0]]


def test_what_arrived_is_kept_for_the_next_command(
    part: Path, does: Behaviour, pauses: list[float], fetch: Callable[[], bytes]
) -> None:
    """When all attempts break off the error says where it will go on, and the next call goes on there."""
    does.cuts = [PIECE + 1] * MANY
    with pytest.raises(DownloadFailed, match=r"Run the same command again: it goes on at 0\.1 MB; or") as caught:
        fetch()
    assert "facegallery model import vggface2 FILE" in str(caught.value)
    assert pauses == list(RETRY_PAUSES_S)
    assert part.read_bytes() == PUBLISHED[: PIECE * MANY]
    assert fetch() == PUBLISHED
    assert does.ranges_asked[-1] == f"bytes={PIECE * MANY}-"


def test_a_server_that_sends_nothing_at_all_is_given_up(
    part: Path, does: Behaviour, pauses: list[float], fetch: Callable[[], bytes]
) -> None:
    """Empty answers are as many attempts as others, and promise no place to go on at."""
    does.cuts = [0] * MANY
    with pytest.raises(DownloadFailed, match="later") as caught:
        fetch()
    assert "goes on" not in str(caught.value)
    assert pauses == list(RETRY_PAUSES_S)
    assert part.read_bytes() == b""


def test_a_server_without_ranges_sends_the_file_anew(part: Path, does: Behaviour, fetch: Callable[[], bytes]) -> None:
    """Its whole file replaces what was kept; the two are never joined."""
    part.write_bytes(PUBLISHED[:HALF])
    does.ranges = False
    assert fetch() == PUBLISHED
    assert does.ranges_asked == [f"bytes={HALF}-"]


@pytest.mark.parametrize("shift", [-1, 1, -HALF])
def test_a_range_that_begins_elsewhere_is_not_appended(
    shift: int, part: Path, does: Behaviour, fetch: Callable[[], bytes]
) -> None:
    """A server that answers another range than was asked for is asked for the whole file."""
    part.write_bytes(PUBLISHED[:HALF])
    does.shift = shift
    assert fetch() == PUBLISHED
    assert does.ranges_asked == [f"bytes={HALF}-", None]


def test_more_than_the_file_was_kept(part: Path, does: Behaviour, fetch: Callable[[], bytes]) -> None:
    """The server has no such range (416): the file is fetched from its beginning."""
    part.write_bytes(PUBLISHED + b"and more")
    assert fetch() == PUBLISHED
    assert does.ranges_asked == [f"bytes={len(PUBLISHED) + 8}-", None]


def test_a_complete_file_needs_no_server(part: Path, does: Behaviour, fetch: Callable[[], bytes]) -> None:
    """A pull that was killed between the last byte and its renaming is completed without a request."""
    part.write_bytes(PUBLISHED)
    assert fetch() == PUBLISHED
    assert does.asked == []


def test_an_interrupted_pull_goes_on_where_it_was(
    files: ModelFiles, part: Path, does: Behaviour, fetch: Callable[[], bytes]
) -> None:
    """Ctrl-C in the middle keeps what is here, holds no lock, and installs nothing."""

    def interrupt(n_here: int, _n_total: int | None) -> None:
        if n_here:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(files, "vggface2", on_progress=interrupt)
    n_kept = part.stat().st_size
    assert 0 < n_kept < len(PUBLISHED)
    assert part.read_bytes() == PUBLISHED[:n_kept]
    assert fetch() == PUBLISHED
    assert does.ranges_asked[-1] == f"bytes={n_kept}-"


def test_two_pulls_at_once_never_mix(files: ModelFiles, does: Behaviour) -> None:
    """While one is under way another is told so and touches nothing; the first one's file is right."""
    refused: list[str] = []

    def pull_too(n_here: int, _n_total: int | None) -> None:
        if n_here:
            with pytest.raises(ModelFolderUnavailable) as caught:
                pull(ModelFiles(files.folder, files.catalogue), "vggface2")
            refused.append(str(caught.value))

    assert pull(files, "vggface2", on_progress=pull_too).path.read_bytes() == PUBLISHED
    assert refused
    assert "another process is placing model 'vggface2'" in refused[0]
    assert len(does.asked) == 1


# --- wrong bytes ------------------------------------------------------------------------------------------------------


def test_wrong_bytes_are_refused_and_removed(files: ModelFiles, does: Behaviour, fetch: Callable[[], bytes]) -> None:
    """A file of the right size and layout with other weights is never put in place; the next pull is not harmed."""
    does.body = SAME_SIZE
    with pytest.raises(ModelFileRefused) as caught:
        fetch()
    assert caught.value.expected == f"SHA-256 {sha256(PUBLISHED)}"
    assert caught.value.actual == sha256(SAME_SIZE)
    assert kept(files) == set()
    does.body = PUBLISHED
    assert fetch() == PUBLISHED


def test_a_wrong_beginning_is_found_at_the_end(files: ModelFiles, part: Path, fetch: Callable[[], bytes]) -> None:
    """What was kept is part of what is hashed: a damaged beginning is removed with the rest."""
    part.write_bytes(bytes(HALF))
    with pytest.raises(ModelFileRefused, match="It was removed"):
        fetch()
    assert kept(files) == set()
    assert fetch() == PUBLISHED


def test_too_many_bytes_are_stopped_as_they_come(
    files: ModelFiles, does: Behaviour, fetch: Callable[[], bytes]
) -> None:
    """An endless answer without a stated length is cut off soon after the file's size, and removed."""
    does.announce = False
    does.body = PUBLISHED + bytes(20_000_000)
    with pytest.raises(ModelFileRefused, match="more from"):
        fetch()
    assert does.n_sent < len(does.body)
    assert kept(files) == set()


@pytest.mark.parametrize("n_kept", [0, HALF])
def test_another_size_is_refused_before_it_is_fetched(
    n_kept: int, part: Path, does: Behaviour, fetch: Callable[[], bytes]
) -> None:
    """A login page in the file's place is refused by its length; what was kept of the file itself is not lost."""
    part.write_bytes(PUBLISHED[:n_kept])
    does.body, does.ranges = b"<html>Sign in to this network</html>", False
    with pytest.raises(ModelFileRefused, match="proxy's login page"):
        fetch()
    assert part.read_bytes() == PUBLISHED[:n_kept]


def test_an_absurd_size_is_refused_where_none_is_known(files: ModelFiles, does: Behaviour) -> None:
    """Two gigabytes are not this network, whoever says so."""
    does.announce, does.headers = False, {"Content-Length": str(2 << 30)}
    with pytest.raises(ModelFileRefused, match="at most 1,073,741,824 bytes"):
        pull(files, "casia-webface", trust_first=True)
    assert kept(files) == set()


def test_the_right_hash_of_a_file_that_is_no_network_is_refused(files: ModelFiles, does: Behaviour) -> None:
    """The layout is checked before the file is put in place, also where the hash is right."""
    does.body = b"not weights"
    spec = replace(files.catalogue["vggface2"], sha256=sha256(does.body), n_bytes=len(does.body))
    files = ModelFiles(files.folder, {"vggface2": spec})
    with pytest.raises(ModelFileRefused, match="expected tensors"):
        pull(files, "vggface2")
    assert kept(files) == set()


def test_a_compressed_answer_is_refused(does: Behaviour, pauses: list[float], fetch: Callable[[], bytes]) -> None:
    """Its length and its ranges are not the file's."""
    does.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(DownloadFailed, match="compressed"):
        fetch()
    assert pauses == []


# --- no answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 404, 410, 429, 500, 503])
@pytest.mark.parametrize("n_kept", [0, HALF])
def test_what_the_server_answers_is_said(
    status: int, n_kept: int, part: Path, does: Behaviour, pauses: list[float], fetch: Callable[[], bytes]
) -> None:
    """The code is named at once, without attempts that help nothing, and what was kept stays."""
    part.write_bytes(PUBLISHED[:n_kept])
    does.status = status
    with pytest.raises(DownloadFailed, match=f"answered HTTP {status} ") as caught:
        fetch()
    assert "facegallery model import vggface2 FILE" in str(caught.value)
    assert pauses == []
    assert part.read_bytes() == PUBLISHED[:n_kept]


def test_no_network_is_one_clear_error_with_two_ways_out(
    files: ModelFiles, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens: the error comes at once and names the network and the import; it carries model and address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:  # bound, not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/weights.pt"
        with pytest.raises(DownloadFailed) as caught:
            pull(files, "vggface2", url=url, pause=pauses.append)
    for words in [
        "Two ways out",
        "network",
        f"fetch {url} on another machine",
        "facegallery model import vggface2 FILE",
    ]:
        assert words in str(caught.value)
    assert (caught.value.name, caught.value.url) == ("vggface2", url)
    assert pauses == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "weights.pt", "http://", "http://[::1"])
def test_an_address_that_is_none_is_said_so(files: ModelFiles, url: str) -> None:
    """Only http and https are fetched from."""
    with pytest.raises(DownloadFailed, match="Check the address"):
        pull(files, "vggface2", url=url)


def test_a_full_disk_keeps_what_is_here(files: ModelFiles, part: Path, fetch: Callable[[], bytes]) -> None:
    """The error is the folder's, not the network's; with room the same call goes on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, before[1]))
    try:
        with pytest.raises(ModelFolderUnavailable, match="too large"):
            fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert kept(files) == {part.name}
    assert fetch() == PUBLISHED


# --- a file whose hash is not known to us -----------------------------------------------------------------------------


def test_an_unknown_hash_needs_a_decision(files: ModelFiles, does: Behaviour) -> None:
    """Without one nothing is asked for; the error explains both ways."""
    with pytest.raises(ModelFileRefused, match=r"'--sha256 HASH'.*'--trust-first'"):
        pull(files, "casia-webface")
    assert does.asked == []


def test_what_is_trusted_first_is_pinned(files: ModelFiles, does: Behaviour) -> None:
    """From then on the model has a hash: it is not fetched again, a damaged file is held to it, others are refused."""
    model = pull(files, "casia-webface", trust_first=True)
    assert model.fingerprint == sha256(PUBLISHED)
    assert pull(files, "casia-webface") == model
    assert len(does.asked) == 1
    with pytest.raises(ModelFileRefused, match="asked for"):
        pull(files, "casia-webface", sha256=sha256(SAME_SIZE))
    model.path.write_bytes(b"damaged")
    does.body = SAME_SIZE
    with pytest.raises(ModelFileRefused, match="It was removed"):
        pull(files, "casia-webface", trust_first=True)


def test_what_is_trusted_first_comes_in_one_piece(files: ModelFiles, does: Behaviour, pauses: list[float]) -> None:
    """Where no hash would tell two files apart, nothing of an earlier attempt is built upon."""
    files.folder.mkdir()
    (files.folder / f"{files.catalogue['casia-webface'].file_name}.part").write_bytes(SAME_SIZE[:HALF])
    does.cuts = [HALF]
    model = pull(files, "casia-webface", trust_first=True, pause=pauses.append)
    assert model.path.read_bytes() == PUBLISHED
    assert does.ranges_asked == [None, None]


def test_a_hash_that_is_given_is_held_to(files: ModelFiles, does: Behaviour) -> None:
    """A hash from elsewhere, in either case, checks the file; another file is refused and removed."""
    does.body = SAME_SIZE
    with pytest.raises(ModelFileRefused):
        pull(files, "casia-webface", sha256=sha256(PUBLISHED))
    assert kept(files) == set()
    does.body = PUBLISHED
    assert pull(files, "casia-webface", sha256=sha256(PUBLISHED).upper() + "\n").fingerprint == sha256(PUBLISHED)


@pytest.mark.parametrize("name", ["vggface2", "casia-webface"])
@pytest.mark.parametrize("given", ["", "281ceb", "g" * 64])
def test_a_hash_that_is_none_is_refused(files: ModelFiles, does: Behaviour, name: str, given: str) -> None:
    """A mistyped hash is not taken for no hash."""
    with pytest.raises(ModelFileRefused, match="64 hex digits"):
        pull(files, name, sha256=given, trust_first=True)
    assert does.asked == []


def test_a_hash_that_contradicts_the_catalogue_is_refused(files: ModelFiles, does: Behaviour) -> None:
    """Neither the person's hash nor the catalogue's is passed over silently."""
    with pytest.raises(ModelFileRefused, match="asked for"):
        pull(files, "vggface2", sha256=sha256(SAME_SIZE))
    assert does.asked == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("facenet", "These are: vggface2, casia-webface"), ("../x", "a name has"), ("Vggface2", "a name has")],
)
def test_a_model_that_nobody_publishes_cannot_be_pulled(files: ModelFiles, name: str, words: str) -> None:
    """The error names those that can be, or says that this is no name."""
    with pytest.raises(ModelNotFound, match=words):
        pull(files, name)


def test_ones_own_model_cannot_be_pulled_but_is_found_when_it_is_here(files: ModelFiles, tmp_path: Path) -> None:
    """Weights that came by import are here at once, and once they are damaged no address is known."""
    (tmp_path / "mine.pt").write_bytes(PUBLISHED)
    model = files.import_file("mine", tmp_path / "mine.pt")
    assert pull(files, "mine") == model
    model.path.write_bytes(b"damaged")
    with pytest.raises(ModelNotFound, match="These are: vggface2, casia-webface"):
        pull(files, "mine")
