"""Run the command as a module, as launchers do."""

from .root import main

main()
