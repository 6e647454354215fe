# C types for tunnel/socket_link.py, used when it is compiled.
cdef class SocketLink:
    cdef public object transport
    cdef public object events
    cdef double _linger_seconds
    cdef object _timer
    cdef bint _paused
    cdef bint _closing
    cdef bint _has_ended
    cdef bint _is_patient

    cpdef data_received(self, bytes data)
    cpdef send(self, bytes data)
