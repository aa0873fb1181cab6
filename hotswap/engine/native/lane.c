/* The type of a lane, and its module. */
#include "lane.h"

/* A lane is made of the engine's parts, by keywords that are the names of its fields. */
#define LANE_PARTS(_) \
    _(state) _(counters) _(pool) _(routes) _(monitor) _(call) _(writer) _(owned) _(parked) _(idle) _(jobs) _(go_on) \
    _(other_event) _(fault) _(keep) _(learn) _(look_closely) _(give_lead_away) _(done) _(methods) _(targets) _(keys) \
    _(schemes) _(hosts) _(learn_target) _(trusts) _(connection_kind) _(request_kind) _(token_kind) _(stats_kind) \
    _(socket_kind) _(file_kind) _(bytes_io) _(health_path) _(names) _(statuses) _(stamp_lines)

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
    forget(&((Lane *)self)->memo);
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

static int set_parts(Lane *lane, PyObject *parts)
{
#define SET(name) \
    if (set_part(parts, #name, &lane->name) < 0) \
        return -1;
    LANE_PARTS(SET)
#undef SET
    return 0;
}

static PyTypeObject *as_type(PyObject *part)
{
    return PyType_Check(part) ? (PyTypeObject *)part : Py_TYPE(part);
}

static int find_slots(Lane *lane)
{
#define FIND(kind, places, name) \
    if (find_slot(as_type(kind), #name, &(places)->name) < 0) \
        return -1;
#define FIND_IN_CONNECTION(name) FIND(lane->connection_kind, &lane->in_connection, name)
    CONNECTION_SLOTS(FIND_IN_CONNECTION)
#define FIND_IN_REQUEST(name) FIND(lane->request_kind, &lane->in_request, name)
    REQUEST_SLOTS(FIND_IN_REQUEST)
#define FIND_IN_STATE(name) FIND(lane->state, &lane->in_state, name)
    STATE_SLOTS(FIND_IN_STATE)
#define FIND_IN_COUNTERS(name) FIND(lane->counters, &lane->in_counters, name)
    COUNTERS_SLOTS(FIND_IN_COUNTERS)
#define FIND_IN_TOKEN(name) FIND(lane->token_kind, &lane->in_token, name)
    TOKEN_SLOTS(FIND_IN_TOKEN)
#define FIND_IN_STATS(name) FIND(lane->stats_kind, &lane->in_stats, name)
    STATS_SLOTS(FIND_IN_STATS)
#define FIND_IN_MONITOR(name) FIND(lane->monitor, &lane->in_monitor, name)
    MONITOR_SLOTS(FIND_IN_MONITOR)
#define FIND_IN_POOL(name) FIND(lane->pool, &lane->in_pool, name)
    POOL_SLOTS(FIND_IN_POOL)
#define FIND_IN_ROUTES(name) FIND(lane->routes, &lane->in_routes, name)
    ROUTES_SLOTS(FIND_IN_ROUTES)
    return 0;
}

/* Of what type each container is, C relies on. */
static int check_parts(const Lane *lane)
{
    if (PyDict_CheckExact(lane->owned) && PyDict_CheckExact(lane->parked) && PyList_CheckExact(lane->idle) &&
        PyType_Check(lane->request_kind) && PyType_Check(lane->socket_kind))
        return 0;
    PyErr_SetString(PyExc_TypeError, "a lane needs two dicts of connections, a list of idle threads, and classes");
    return -1;
}

/* What is called for each descriptor is C's own method, without a look-up. */
static int find_fileno(Lane *lane)
{
    PyObject *found = PyObject_GetAttr(lane->socket_kind, str_fileno);
    if (found && Py_IS_TYPE(found, &PyMethodDescr_Type) && ((PyMethodDescrObject *)found)->d_method->ml_flags == METH_NOARGS)
        lane->fileno = ((PyMethodDescrObject *)found)->d_method->ml_meth;
    Py_XDECREF(found);
    return found ? 0 : -1;
}

static int read_bounds(Bounds *bounds, PyObject *args)
{
    Py_ssize_t line, fields, size;
    if (!PyArg_ParseTuple(args, "nnnnlldddd", &line, &fields, &size, &bounds->body_buffer, &bounds->threads, &bounds->readable,
                          &bounds->keepalive, &bounds->slow, &bounds->blocked, &bounds->rule))
        return -1;
    bounds->head.line = (size_t)line, bounds->head.fields = (size_t)fields, bounds->head.size = (size_t)size;
    return 0;
}

static PyObject *lane_new(PyTypeObject *type, PyObject *args, PyObject *parts)
{
    Bounds bounds;
    Lane *lane;
    if (read_bounds(&bounds, args) < 0)
        return NULL;
    if (!parts || !(lane = (Lane *)type->tp_alloc(type, 0)))
        return parts ? NULL : PyErr_Format(PyExc_TypeError, "a lane needs its parts");
    lane->bounds = bounds;
    if (set_parts(lane, parts) < 0 || check_parts(lane) < 0 || find_slots(lane) < 0 || find_fileno(lane) < 0)
        Py_CLEAR(lane);
    return (PyObject *)lane;
}

static PyMethodDef lane_methods[] = {
    {"serve_events", (PyCFunction)(void (*)(void))lane_serve_events, METH_FASTCALL, NULL},
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
