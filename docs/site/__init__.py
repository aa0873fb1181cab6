"""The documentation as a site: `make docs`, which is `python -m docs.site`, and looks for dead links."""
