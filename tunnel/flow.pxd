# C types for tunnel/flow.py, used when it is compiled.
cimport cython

from wire.histogram cimport Histogram

@cython.final
cdef class Flow:
    cdef readonly Histogram batch_sent
    cdef readonly Histogram batch_received
    cdef readonly Histogram flush_delay
    cdef public long long reattachments
    cdef public long long resent
