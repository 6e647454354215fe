# C types for tunnel/counters.py, used when it is compiled.
cimport cython

@cython.final
cdef class Counters:
    cdef public long long frames_serverbound
    cdef public long long frames_clientbound
    cdef public long long bytes_serverbound
    cdef public long long bytes_clientbound
    cdef public long long bytes_discarded
    cdef public long long batches_sent
    cdef public long long batches_received
    cdef public long long sessions_opened
    cdef public long long tunnel_faults
    cdef public object frames_refused
    cdef public object frames_audited
    cdef public object sessions_closed
    cdef public object sessions_refused
