# C types for wire/watcher.py, used when it is compiled. Bounds checks stay on: `span` comes from a game server.
cimport cython

from wire.scanner cimport Scanner

@cython.final
cdef class Watcher:
    cdef public object rules
    cdef Py_ssize_t _offset
    cdef Py_ssize_t _width
    cdef Py_ssize_t _body
    cdef bint _little
    cdef int _opaque
    cdef dict _triggers
    cdef bytes _watched

    @cython.locals(events=list, triggers=dict, position=Py_ssize_t, size=Py_ssize_t, length=Py_ssize_t,
                   end=Py_ssize_t, opcode=cython.longlong, watched=bytes)
    cpdef list find(self, bytes span, Scanner scanner)
    cpdef bint is_opaque(self, bytes event) except -1

    cdef bint _holds(self, object trigger, bytes span, Py_ssize_t start, Py_ssize_t end) except -1
    cdef bytes _event(self, object trigger, bytes span, Py_ssize_t start)

@cython.locals(value=cython.longlong, index=Py_ssize_t)
cpdef long long read_number(bytes data, Py_ssize_t position, Py_ssize_t width, bint little) except? -1
