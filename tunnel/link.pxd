# C types for tunnel/link.py, used when it is compiled.
cdef class Link:
    cpdef send(self, bytes data)

cdef class LinkEvents:
    cpdef link_data(self, bytes data)
    cdef prefetch(self, int depth)
