"""WordPiece: learning the tokens from texts, and cutting texts into them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from recsys_tf.types import Tensor

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
"""Padding, a word that cannot be cut, first and last token; a learned vocabulary begins so."""


class WordPieceTokenizer(tf.Module):
    """Cuts texts into WordPiece tokens: `[CLS] tokens [SEP]`.

    A text is split at spaces, punctuation and Chinese characters; each word is then cut into the
    longest tokens that the vocabulary holds, from the left. A word that cannot be cut so, or of
    more than 100 bytes, is `[UNK]`. Bytes that are not UTF-8 are replaced, not refused.

    Args:
        tokens: The vocabulary; the index of a token is its place. `[PAD]` is the first.
        is_lower_case: Whether texts are lower-cased and stripped of accents.

    Raises:
        ValueError: If a special token is not there, or `[PAD]` is not the first.
        ImportError: If the extra `text` is not installed.

    Example:
        >>> tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, "toy", "##s"])
        >>> tokenizer(["Toys", ""]).to_list()
        [[2, 4, 5, 3], [2, 3]]

    Source: Devlin et al., 2019, "BERT", https://arxiv.org/abs/1810.04805, section 3; the cutting
        is TensorFlow Text's `BertTokenizer`.
    """

    def __init__(self, tokens: Sequence[str], is_lower_case: bool = True) -> None:
        super().__init__(name="word_piece_tokenizer")
        tokens = list(tokens)
        check_special_tokens(tokens, "tokens")
        self._first = tf.constant(tokens.index("[CLS]"), tf.int64)
        self._last = tf.constant(tokens.index("[SEP]"), tf.int64)
        self._table = tf.lookup.StaticVocabularyTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(tokens), tf.range(len(tokens), dtype=tf.int64)
            ),
            # The table's class wants one; no word reaches it, since [UNK] is in the vocabulary.
            num_oov_buckets=1,
        )
        self._tokenizer = tensorflow_text().BertTokenizer(
            self._table, lower_case=is_lower_case, token_out_type=tf.int64
        )
        # Traced once, and not again in each graph that cuts texts: it takes most of their tracing.
        self._cut = tf.function(
            self._cut_texts, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
        )

    def __call__(self, strings: Tensor) -> tf.RaggedTensor:
        """Cuts texts.

        Args:
            strings: string `[B]`.

        Returns:
            int64 ragged `[B, any]`, at least `[CLS]` and `[SEP]` a row.
        """
        return self._cut(strings)

    def _cut_texts(self, strings: Tensor) -> tf.RaggedTensor:
        strings = tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace")
        pieces = self._tokenizer.tokenize(strings).merge_dims(1, 2)
        ones = tf.ones_like(strings, tf.int64)[:, tf.newaxis]
        return tf.concat([ones * self._first, pieces, ones * self._last], axis=1)


def learn_word_pieces(texts: Iterable[str], vocabulary_size: int) -> tuple[str, ...]:
    """Learns a WordPiece vocabulary for lower-cased text.

    Each different text counts once. The result does not depend on the order of the texts.

    Args:
        texts: Texts of the training rows.
        vocabulary_size: Most tokens, the four special ones among them. The result is near it
            where the texts hold so many, and shorter where they do not.

    Returns:
        `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, then the learned tokens; only those four where there
        is no word in the texts.

    Raises:
        ImportError: If the extra `text` is not installed.

    Source: The learner is TensorFlow Text's `wordpiece_tokenizer_learner_lib`, top-down.
    """
    tensorflow_text()  # Says which extra is missing, where it is.
    from tensorflow_text.tools.wordpiece_vocab import bert_vocab_from_dataset as learner

    distinct = sorted(set(texts))
    dataset = tf.data.Dataset.from_tensor_slices(
        tf.constant(distinct, tf.string, shape=[len(distinct)])
    )
    try:
        tokens = learner.bert_vocab_from_dataset(
            dataset.batch(4096),
            vocabulary_size,
            list(SPECIAL_TOKENS),
            bert_tokenizer_params={"lower_case": True},
        )
    except StopIteration:
        # How the learner answers to texts without a word.
        return SPECIAL_TOKENS
    return tuple(tokens)


def check_special_tokens(tokens: Sequence[str], argument: str) -> None:
    """Checks that a vocabulary holds what BERT's tokenisation needs.

    Raises:
        ValueError: If a special token is not there, or `[PAD]` is not the first.
    """
    absent = [token for token in SPECIAL_TOKENS if token not in tokens]
    if absent or tokens[0] != SPECIAL_TOKENS[0]:
        fault = f"without {', '.join(absent)}" if absent else f"the first {tokens[0]!r}"
        raise ValueError(
            f"`{argument}` must be a WordPiece vocabulary with [PAD] as its first token and with "
            f"[UNK], [CLS] and [SEP], received {len(tokens)} tokens, {fault}."
        )


def tensorflow_text() -> Any:
    """Returns the module `tensorflow_text`.

    Raises:
        ImportError: If it is not installed; the text names the extra.
    """
    try:
        import tensorflow_text as module
    except ImportError as error:
        raise ImportError(
            "Text features need the extra `text`: pip install 'recsys_tf[text]'. "
            f"(tensorflow_text cannot be imported: {error})"
        ) from error
    return module
