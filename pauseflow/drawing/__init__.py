"""Drawings of graphs: as lines of text, as Mermaid's flowchart, and as SVG.

Everything here is pure: a `Picture` in, text out. It knows neither servers nor terminals.
"""
