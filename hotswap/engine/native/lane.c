/* The type of a lane, and its module. */
#include "lane.h"

/* A lane is made of the engine's parts, by keywords that are the names of its fields. */

#define LANE_PARTS(_) \
    _(state) _(counters) _(pool) _(routes) _(monitor) _(call) _(writer) _(keep) _(learn) _(done) _(methods) _(targets) \
    _(keys) _(schemes) _(hosts) _(learn_target) _(trusts) _(request_kind) _(socket_kind) _(file_kind) \
    _(bytes_io) _(health_path) _(names) _(statuses) _(stamp_lines)

static int lane_traverse(PyObject *self, visitproc visit, void *arg)
{
#define VISIT(name) Py_VISIT(((Lane *)self)->name);
    LANE_PARTS(VISIT)
#undef VISIT
    return 0;
}

static int lane_clear(PyObject *self)
{
#define CLEAR(name) Py_CLEAR(((Lane *)self)->name);
    LANE_PARTS(CLEAR)
#undef CLEAR
    Py_CLEAR(((Lane *)self)->stamp);
    return 0;
}

static void lane_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    (void)lane_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static int set_part(PyObject *parts, const char *name, PyObject **field)
{
    PyObject *part = PyDict_GetItemString(parts, name);
    if (!part) {
        PyErr_Format(PyExc_TypeError, "a lane needs %s", name);
        return -1;
    }
    Py_XSETREF(*field, Py_NewRef(part));
    return 0;
}

static PyObject *lane_new(PyTypeObject *type, PyObject *args, PyObject *parts)
{
    Lane *lane;
    Py_ssize_t line, fields, size, body_buffer;
    double slow;
    if (!PyArg_ParseTuple(args, "nnnnd", &line, &fields, &size, &body_buffer, &slow))
        return NULL;
    if (!parts || !(lane = (Lane *)type->tp_alloc(type, 0)))
        return parts ? NULL : PyErr_Format(PyExc_TypeError, "a lane needs its parts");
#define SET(name) \
    if (set_part(parts, #name, &lane->name) < 0) { \
        Py_DECREF(lane); \
        return NULL; \
    }
    LANE_PARTS(SET)
#undef SET
    lane->bounds.line = (size_t)line, lane->bounds.fields = (size_t)fields, lane->bounds.size = (size_t)size;
    lane->body_buffer = body_buffer;
    lane->slow = slow;
    return (PyObject *)lane;
}

static PyMethodDef lane_methods[] = {
    {"serve", (PyCFunction)(void (*)(void))lane_serve, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject LaneType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hotswap.engine.native.lane.Lane",
    .tp_basicsize = sizeof(Lane),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = lane_traverse,
    .tp_clear = lane_clear,
    .tp_dealloc = lane_dealloc,
    .tp_methods = lane_methods,
    .tp_new = lane_new,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "hotswap.engine.native.lane", .m_doc = "The whole turn of a plain request.", .m_size = -1,
};

PyMODINIT_FUNC PyInit_lane(void)
{
    PyObject *made;
    if (make_names() < 0 || PyType_Ready(&AnswerType) < 0 || PyType_Ready(&LaneType) < 0)
        return NULL;
    made = PyModule_Create(&module);
    if (made && PyModule_AddObjectRef(made, "Lane", (PyObject *)&LaneType) < 0)
        Py_CLEAR(made);
    return made;
}
