"""Worker classes of gunicorn's and of others under our server process."""
