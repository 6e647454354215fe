# C types for wire/histogram.py, used when it is compiled.
cimport cython

@cython.final
cdef class Histogram:
    cdef readonly tuple bounds
    cdef readonly list counts
    cdef readonly double total

    @cython.locals(place=Py_ssize_t, bound=double)
    cpdef note(self, double figure)
