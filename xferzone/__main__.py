"""`xferzone` and `python -m xferzone`."""

from xferzone.cli.main import main

if __name__ == "__main__":
    main()
