"""`python -m titanflow`: the same as the console script."""

from titanflow.cli import main

if __name__ == "__main__":
    main()
