"""Development: file watch, debugger, the process in the foreground, werkzeug's server where there is no epoll."""
