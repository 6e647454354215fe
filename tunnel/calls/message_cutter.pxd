# C types for tunnel/calls/message_cutter.py, used when it is compiled. Bounds checks stay on.
cimport cython

from wire cimport packing
from wire.data_frames cimport read_number

cdef Py_ssize_t _PREFIX_BYTES

@cython.final
cdef class MessageCutter:
    cdef Py_ssize_t _max_message_bytes
    cdef bytearray _held
    cdef object _fault
    cdef Py_ssize_t _needed_bytes

    @cython.locals(messages=list, start=Py_ssize_t, size=Py_ssize_t, length=Py_ssize_t, end=Py_ssize_t)
    cpdef list feed(self, bytes data)
    cpdef check(self)
    cdef list _refuse(self, list messages, object status, str details)
