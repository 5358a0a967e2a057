"""`python -m cotune` is the command line."""

from cotune.cli.main import main

main()
