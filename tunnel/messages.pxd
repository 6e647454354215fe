# C types for tunnel/messages.py, used when it is compiled.
cimport cython

from wire.batches cimport Batch, parse_batch

@cython.final
cdef class MessageParser:
    cdef object _kind

    @cython.locals(batch=Batch)
    cpdef parse(self, bytes data)
