import hashlib
import http.server
import threading

import pytest

from recsys_tf.datasets import DownloadError, cache_folder
from recsys_tf.datasets.download import RemoteFile, download, new_file

CONTENT = bytes(range(256)) * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self):
        Handler.requests += 1
        if self.path == "/absent.zip":
            self.send_error(404)
            return
        body = {"/cut.zip": CONTENT[:1000], "/long.zip": CONTENT + b"x"}.get(self.path, CONTENT)
        self.send_response(200)
        # A server that dies on the way has announced the whole length.
        self.send_header("Content-Length", str(max(len(body), len(CONTENT))))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Handler.requests = 0
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def remote(address, name="data.zip", content=CONTENT):
    digest = hashlib.sha256(content).hexdigest()
    return RemoteFile(f"{address}/{name}", name, len(content), digest)


def test_file_arrives_whole_and_is_fetched_once(address, tmp_path):
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        path = download(remote(address), folder)
        assert path.read_bytes() == CONTENT
    assert [each.name for each in folder.iterdir()] == ["data.zip"]
    assert Handler.requests == 1


def test_damaged_file_in_the_cache_is_fetched_again(address, tmp_path):
    (tmp_path / "data.zip").write_bytes(b"half")
    assert download(remote(address), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "fault"),
    [("cut.zip", "1,000 bytes instead of 256,000"), ("long.zip", "256,001 bytes instead of 256,")],
)
def test_file_of_another_size_is_refused_and_removed(address, tmp_path, name, fault):
    with pytest.raises(DownloadError, match=rf"{name} is not what was published: {fault}"):
        download(remote(address, name), tmp_path)
    assert not list(tmp_path.iterdir())


def test_file_of_another_checksum_is_refused_and_removed(address, tmp_path):
    other = remote(address, content=CONTENT[::-1])
    with pytest.raises(DownloadError, match=r"is not what was published: SHA-256 [0-9a-f]{64} i"):
        download(other, tmp_path)
    assert not list(tmp_path.iterdir())


def test_absent_file_and_absent_server_say_where_to_put_it(address, tmp_path):
    with pytest.raises(DownloadError, match=r"cannot be reached \(Not Found\)\. Fetch it"):
        download(remote(address, "absent.zip"), tmp_path)
    with pytest.raises(DownloadError, match=rf"http://127.0.0.1:9/.* put it into {tmp_path}, or"):
        download(remote("http://127.0.0.1:9"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written_is_named(address, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"file/data\.zip` cannot be written: "):
        download(remote(address), tmp_path / "file")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_interrupted_file_is_neither_kept_nor_put_in_place(tmp_path, error):
    target = tmp_path / "data.zip"
    target.write_bytes(b"old")
    with pytest.raises((KeyboardInterrupt, DownloadError)), new_file(target) as file:  # noqa: PT012
        file.write(b"half of the new")
        raise error
    assert [each.name for each in tmp_path.iterdir()] == ["data.zip"]
    assert target.read_bytes() == b"old"


def test_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "recsys_tf"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(cache_folder()) == "/home/someone/.cache/recsys_tf"
