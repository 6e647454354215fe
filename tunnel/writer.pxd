# C types for tunnel/writer.py, used when it is compiled.

cdef class Writer:
    cpdef bint is_full(self) except -1
    cpdef when_room(self, object tell)
    cpdef send(self, object message)
