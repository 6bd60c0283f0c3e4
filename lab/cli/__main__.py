"""`python -m lab.cli` is `lab`."""

from lab.cli import main

if __name__ == "__main__":
    main()
