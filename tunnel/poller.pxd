# C types for tunnel/poller.py, used when it is compiled. Bounds checks stay on.
cimport cython

from tunnel cimport system

cdef class Pollable:
    cpdef ready(self, unsigned int mask)
    cpdef read(self)
    cpdef flush(self)
    cpdef fail(self, object error)

cdef class Poller:
    cdef object _loop
    cdef object _epoll
    cdef list _links
    cdef Py_ssize_t _count
    cdef list _unsent
    cdef list _again

    cpdef flush_soon(self, Pollable link)
    cpdef read_soon(self, Pollable link)
    @cython.locals(links=list, link=Pollable, found=cython.longlong)
    cpdef run(self)
    @cython.locals(links=list, link=Pollable)
    cpdef flush(self)
    @cython.locals(links=list, link=Pollable)
    cpdef _read_again(self)
