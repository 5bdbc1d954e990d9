"""`python -m ari_app`: the same as `kakehashi`."""

from ari_app.cli import main

if __name__ == "__main__":
    main()
