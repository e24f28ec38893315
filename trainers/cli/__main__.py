"""The command as a module, as launchers start it."""

from .root import main

main()
