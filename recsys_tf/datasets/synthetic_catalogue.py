"""The films of the generated data set: genres, a hidden topic, and texts that tell of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_tf.types import FloatArray, IntArray

# Genre -> (adjectives of a title, what the film is called in its description, how it feels).
GENRE_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "Action": (("Iron", "Burning", "Last"), ("chase", "showdown"), ("explosive", "relentless")),
    "Animation": (("Tiny", "Painted", "Magic"), ("cartoon", "fable"), ("colourful", "playful")),
    "Comedy": (("Crazy", "Lucky", "Silly"), ("farce", "comedy"), ("hilarious", "cheerful")),
    "Documentary": (("True", "Hidden", "Real"), ("report", "portrait"), ("factual", "patient")),
    "Drama": (("Broken", "Quiet", "Long"), ("drama", "family saga"), ("moving", "sorrowful")),
    "Horror": (("Haunted", "Bloody", "Cursed"), ("nightmare", "ghost story"), ("eerie", "gory")),
    "Romance": (("Tender", "Secret", "Sweet"), ("love story", "romance"), ("wistful", "tender")),
    "Sci-Fi": (("Electric", "Distant", "Quantum"), ("odyssey", "vision"), ("futuristic", "cosmic")),
    "Thriller": (("Silent", "Deadly", "Double"), ("mystery", "manhunt"), ("tense", "twisting")),
    "Western": (("Dusty", "Lonesome", "Wild"), ("western", "ranch tale"), ("rugged", "sunburnt")),
}  # fmt: skip
GENRES = tuple(GENRE_WORDS)

# Topic -> (nouns of a title, what the film is about). The topic is no feature: the text alone
# tells it, so that a model that reads knows more of a new film than one that does not.
TOPIC_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sea": (("Harbour", "Tide", "Lighthouse"), ("sailors in a storm", "a sunken ship")),
    "space": (("Orbit", "Comet", "Star"), ("a lost space station", "settlers on Mars")),
    "court": (("Verdict", "Witness", "Jury"), ("a lawyer with doubts", "a trial in a small town")),
    "music": (("Song", "Violin", "Encore"), ("a band on tour", "a pianist who cannot hear")),
    "war": (("Trench", "Armistice", "Platoon"), ("soldiers far from home", "a field hospital")),
    "school": (("Classroom", "Exam", "Summer"), ("teachers and pupils", "the last school year")),
    "food": (("Kitchen", "Recipe", "Feast"), ("a cook without a kitchen", "a family restaurant")),
    "sport": (("Goal", "Champion", "Marathon"), ("a boxer past his best", "an unlikely team")),
    "crime": (("Heist", "Alibi", "Vault"), ("a robbery gone wrong", "a detective in debt")),
    "animals": (("Wolf", "Horse", "Nest"), ("a dog that waits", "wolves in the valley")),
    "travel": (("Road", "Station", "Border"), ("two strangers on a train", "a long road south")),
    "royalty": (("Crown", "Palace", "Heir"), ("a queen in exile", "twins and one throne")),
}
TOPICS = tuple(TOPIC_WORDS)

# From the worst third to the best.
QUALITY_WORDS = (("clumsy", "forgettable"), ("decent", "solid"), ("masterly", "acclaimed"))
HYPE_SENTENCES = ("Little was written about it.", "It opened in many cities.",
                  "Everybody talks about it!")  # fmt: skip
MAX_GENRES = 3


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Generated films.

    Attributes:
        frame: `item_id`, `title`, `description`, `genres`, `release_year`, `price`.
        genre_shares: float64 `[N, 10]`, 1 / (number of the film's genres) for each of them.
        topics: int64 `[N]`, positions in `TOPICS`.
        quality: float64 `[N]`, what likes and ratings go by.
        hype: float64 `[N]`, what clicks go by beyond the taste.
    """

    frame: pd.DataFrame
    genre_shares: FloatArray
    topics: IntArray
    quality: FloatArray
    hype: FloatArray


def make_catalogue(rng: np.random.Generator, num_items: int) -> Catalogue:
    """Draws films and writes their titles and descriptions.

    Args:
        rng: Source of all randomness.
        num_items: Number of films.

    Returns:
        The films, with ids `f00000`, `f00001` and so on and distinct titles.
    """
    # A random order of the genres for each film; the first 1, 2 or 3 of it are the film's.
    genre_order = np.argsort(rng.random((num_items, len(GENRES))), axis=1, kind="stable")
    num_genres = 1 + (rng.random((num_items, MAX_GENRES - 1)) < (0.6, 0.25)).sum(axis=1)
    shares = np.zeros((num_items, len(GENRES)))
    for place in range(MAX_GENRES):
        rows = np.flatnonzero(num_genres > place)
        shares[rows, genre_order[rows, place]] = 1.0 / num_genres[rows]
    topics = rng.integers(0, len(TOPICS), num_items)
    quality, hype = rng.standard_normal(num_items), rng.standard_normal(num_items)
    words = rng.random((num_items, 8))
    texts = [
        _written(genre_order[row][: num_genres[row]], topics[row], quality[row], hype[row], word)
        for row, word in enumerate(words)
    ]
    frame = pd.DataFrame(
        {
            "item_id": [f"f{row:05d}" for row in range(num_items)],
            "title": _distinct([title for title, _ in texts]),
            "description": [description for _, description in texts],
        }
    ).astype(object)
    genres = [sorted(np.array(GENRES)[np.flatnonzero(row)].tolist()) for row in shares]
    frame["genres"] = pd.Series(genres, dtype=object)
    frame["release_year"] = rng.integers(1960, 2024, num_items).astype(np.float64)
    frame["price"] = np.round(np.exp(1.5 + 0.5 * rng.standard_normal(num_items)), 2)
    return Catalogue(frame, shares, topics, quality, hype)


def _written(
    genres: IntArray, topic: int, quality: float, hype: float, words: FloatArray
) -> tuple[str, str]:
    draws = iter(words)

    def one_of(choices: tuple[str, ...]) -> str:
        return choices[int(next(draws) * len(choices))]

    adjectives, forms, feelings = GENRE_WORDS[GENRES[genres[0]]]
    nouns, subjects = TOPIC_WORDS[TOPICS[topic]]
    title = f"{'The ' if next(draws) < 0.5 else ''}{one_of(adjectives)} {one_of(nouns)}"
    second = GENRE_WORDS[GENRES[genres[-1]]][2]
    # The thirds of a standard normal variable are parted at +-0.43.
    third = int(np.searchsorted((-0.43, 0.43), quality))
    praise = one_of(QUALITY_WORDS[third])
    article = "An" if praise[0] in "aeiou" else "A"
    description = (
        f"{article} {praise}, {one_of(feelings)} {one_of(forms)} about {one_of(subjects)}, "
        f"{one_of(second)} to the end. {HYPE_SENTENCES[int(np.searchsorted((-0.43, 0.43), hype))]}"
    )
    return title, description


def _distinct(titles: list[str]) -> list[str]:
    """Numbers the films of equal titles: "Lucky Star", "Lucky Star 2" and so on."""
    times_used: dict[str, int] = {}
    distinct = []
    for title in titles:
        number = times_used[title] = times_used.get(title, 0) + 1
        distinct.append(title if number == 1 else f"{title} {number}")
    return distinct
