"""`python -m bench` compares the speed of generation; each file of this folder is also a program of its own."""

from bench.generation import main

main()
