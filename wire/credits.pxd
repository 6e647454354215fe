# C types for wire/credits.py, used when it is compiled.
cimport cython

@cython.final
cdef class SendCredit:
    cdef public Py_ssize_t available
    cdef public Py_ssize_t window_bytes

    cpdef bint spend_all(self, Py_ssize_t size)
    cpdef bint is_low(self)
    cpdef grant(self, Py_ssize_t size)

@cython.final
cdef class ReceiveCredit:
    cdef Py_ssize_t _taken
    cdef Py_ssize_t _threshold
    cdef Py_ssize_t _window
    cdef public Py_ssize_t outstanding

    cpdef receive(self, Py_ssize_t size)
    cpdef Py_ssize_t take(self, Py_ssize_t size)
