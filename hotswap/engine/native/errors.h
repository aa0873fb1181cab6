/* An exception as an object. */
#ifndef HOTSWAP_ERRORS_H
#define HOTSWAP_ERRORS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The exception that stands, new, with its traceback; none stands any more. */
PyObject *take_error(void);
/* The exception stands again; takes the reference. */
void set_error(PyObject *error);

#endif
