/* The slots of Python's classes, read and written at the places that their descriptors tell. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "slots.h"

int find_slot(PyTypeObject *kind, const char *name, Py_ssize_t *place)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)kind, name);
    int good = found && Py_IS_TYPE(found, &PyMemberDescr_Type) && PyType_IsSubtype(kind, PyDescr_TYPE(found)) &&
               ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX;
    if (good)
        *place = ((PyMemberDescrObject *)found)->d_member->offset;
    else
        PyErr_Format(PyExc_TypeError, "%s needs a slot %s", kind->tp_name, name);
    Py_XDECREF(found);
    return good ? 0 : -1;
}

int set_slot(PyObject *object, Py_ssize_t place, PyObject *value)
{
    PyObject *old = SLOT(object, place);
    if (!value)
        return -1;
    SLOT(object, place) = value;
    Py_XDECREF(old); /* last: its end may look at the object */
    return 0;
}

int count_up(PyObject *object, Py_ssize_t place)
{
    long long count = PyLong_AsLongLong(SLOT(object, place));
    if (count == -1 && PyErr_Occurred())
        return -1;
    return set_slot(object, place, PyLong_FromLongLong(count + 1));
}

int is_set(PyObject *object, Py_ssize_t place)
{
    return PyObject_IsTrue(SLOT(object, place));
}
