"""`python -m edgecerts`."""

from edgecerts.cli.app import main

if __name__ == "__main__":
    main()
