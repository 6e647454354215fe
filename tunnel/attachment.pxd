# C types for tunnel/attachment.py, used when it is compiled.
cimport cython

from wire.liveness cimport Liveness

@cython.final
cdef class Attachment:
    cdef readonly Liveness liveness
    cdef readonly object over
    cdef object _end
    cdef object _name
    cdef bint _is_lost
    cdef object _lost
    cdef object _stream

    cpdef send(self, object message)
    cpdef give_up(self, object why)
    cpdef bint has_slept(self) except -1
    cpdef _take(self, object message)
    cdef bint _is_over(self) except -1
