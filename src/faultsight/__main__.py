"""``python -m faultsight`` is the same as the ``faultsight`` command."""

from faultsight.cli import main

if __name__ == "__main__":
    main()
