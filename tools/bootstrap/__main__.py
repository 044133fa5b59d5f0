"""Entry point. Written so that any Python parses it, in order to say that it is too old."""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "recsys_tf needs Python 3.10 or newer to start, and %s is Python %d.%d: install one, or "
        "name one that you have, as in `make PYTHON=python3.12 demo`."
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )

from tools.bootstrap.main import main

sys.exit(main())
