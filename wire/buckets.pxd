# C types for wire/buckets.py, used when it is compiled.
cimport cython
from cpython cimport array as c_array

from wire cimport packing

@cython.locals(size=Py_ssize_t, free=Py_ssize_t, index=Py_ssize_t, full=cython.longlong)
cpdef bint charge(c_array.array buckets, long long place, long long cost, long long limit, long long now) except -1
