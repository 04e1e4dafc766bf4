"""The Amazonian Feat: how Amazon builds at scale, as components small enough to read.

Each room of the package is one chapter of the course. The components never import
:mod:`amazonian.course`, so any of them can be used at work without it.
"""
