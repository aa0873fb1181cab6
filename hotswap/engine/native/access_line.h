/* gunicorn's usual line of the access log. */
#ifndef HOTSWAP_ACCESS_LINE_H
#define HOTSWAP_ACCESS_LINE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The line with `end` behind it, ASCII, new; NULL, and there may be an exception, if it is Python that should make it.
 * `environ` is a dict, and no kind of it. */
PyObject *make_usual_line(PyObject *environ, PyObject *status, PyObject *sent, PyObject *now, PyObject *end);
/* To be called once, before: 0, or -1 with an exception. */
int make_line_keys(void);

#endif
