"""`python -m cli`: the same as `cidermill`."""

from cli.main import main

main()
