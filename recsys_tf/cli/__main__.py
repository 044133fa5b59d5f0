"""`python -m recsys_tf.cli` is `recsys-tf`."""

from recsys_tf.cli import main

main()
