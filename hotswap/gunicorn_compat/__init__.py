"""What stands for gunicorn's own objects where its hooks and worker classes expect them."""
