"""``python -m nauth``: the `nauth` command."""

from nauth.cli import main

if __name__ == "__main__":
    main()
