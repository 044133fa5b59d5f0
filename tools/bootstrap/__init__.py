"""Makes `.venv` with the line of the stack that fits the machine: `python3 -m tools.bootstrap`."""
