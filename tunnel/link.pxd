# C types for tunnel/link.py, used when it is compiled.
from wire cimport packing

cdef class Link:
    cpdef send(self, bytes data)
    cpdef send_part(self, bytes data, Py_ssize_t start, Py_ssize_t end)

cdef class LinkEvents:
    cpdef link_data(self, bytes data)
    cdef prefetch(self, int depth)
