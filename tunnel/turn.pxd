# C types for tunnel/turn.py, used when it is compiled.
cimport cython

@cython.final
cdef class Turn:
    cdef int _depth
    cdef list _jobs

    cpdef begin(self)
    cpdef end(self)
    @cython.locals(jobs=list)
    cdef _do_jobs(self)
    cpdef at_end(self, object job)
