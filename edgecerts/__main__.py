"""`python -m edgecerts`."""

from edgecerts.cli.start import main

if __name__ == "__main__":
    main()
