"""python -m compiler is the neoc command."""

from compiler.cli import main

main()
