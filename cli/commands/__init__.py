"""One file per command: its name is the file's, its one-line help the docstring's first sentence.

Each offers `app`, a Typer with one command or several. They are found here and imported when called.
"""
