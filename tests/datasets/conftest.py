import pytest

from recsys_tf.datasets.movielens_100k import GENRES

# Hand-written rows in the published forms; none is taken from the real data.
EVENTS = [
    ("7", "1", 5, 880000000),
    ("7", "2", 3, 880000060),
    ("8", "1", 4, 880086400),
    ("8", "3", 1, 880086401),
    ("9", "4", 2, 880172800),
    ("9", "2", 5, 880172800),
]
USERS = [("7", 24, "M", "writer", "12345"), ("8", 25, "F", "other", "T8H1N"),
         ("9", 35, "F", "artist", "90210")]  # fmt: skip
# id, title without year, year, genres in the publisher's order
ITEMS = [
    ("1", "Paper Boats", "1995", ["Comedy", "Drama"]),
    ("2", "Clockmaker, The (Relojero, El)", "1994", ["Film-Noir"]),
    ("3", "Café Zéro", "1971", ["unknown"]),
]


@pytest.fixture(autouse=True)
def _no_data_of_the_machine(monkeypatch, tmp_path):
    """No test finds files of the machine it runs on, nor leaves some in the user's cache."""
    monkeypatch.delenv("RECSYS_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_recbole(folder):
    rows = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    rows += ["\t".join(map(str, event)) for event in EVENTS]
    write_lines(folder / "ml-100k.inter", rows)
    rows = ["user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token"]
    write_lines(folder / "ml-100k.user", rows + ["\t".join(map(str, user)) for user in USERS])
    rows = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    rows += ["\t".join((key, title, year, " ".join(g))) for key, title, year, g in ITEMS]
    rows.append("4\tunkonwn\tunkonwn\tunknown")
    rows.append("5\tHeron Lake (1993)\tV\tAnimation Children's")
    write_lines(folder / "ml-100k.item", rows)


def write_grouplens(folder, genres):
    write_lines(folder / "u.data", ["\t".join(map(str, event)) for event in EVENTS])
    write_lines(folder / "u.user", ["|".join(map(str, user)) for user in USERS])
    items = [(key, f"{title} ({year})", own) for key, title, year, own in ITEMS]
    items += [("4", "unknown", ["unknown"]), ("5", "Heron Lake (1993) (V)", genres[3:5])]
    rows = []
    for key, title, own in items:
        flags = "|".join(str(int(genre in own)) for genre in genres)
        rows.append(f"{key}|{title}|01-Jan-1995||http://example.org/{key}|{flags}")
    write_lines(folder / "u.item", rows, encoding="latin-1")


def write_lines(path, rows, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join(rows) + "\n").encode(encoding))


@pytest.fixture
def write():
    """Writes lines into a new file: `write(path, lines, encoding="utf-8")`."""
    return write_lines


@pytest.fixture
def published_events():
    """The events of the two folders below."""
    return EVENTS


@pytest.fixture
def recbole(tmp_path):
    """A folder with a small data set in RecBole's form."""
    write_recbole(tmp_path / "recbole")
    return tmp_path / "recbole"


@pytest.fixture
def grouplens(tmp_path):
    """The same data set in GroupLens' form."""
    write_grouplens(tmp_path / "grouplens", GENRES)
    return tmp_path / "grouplens"
