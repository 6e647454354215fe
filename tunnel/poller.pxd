# C types for tunnel/poller.py, used when it is compiled. Bounds checks stay on.
cimport cython
from cpython cimport array

from tunnel cimport system
from tunnel.link cimport Link
from tunnel.turn cimport Turn
from wire cimport memory, packing

cdef Py_ssize_t _LINK_BYTES
cdef int _PREFETCH_DEPTHS

cdef class Pollable(Link):
    cpdef ready(self, unsigned int mask)
    cdef prefetch(self, int depth)
    cpdef read(self)
    cpdef flush(self)
    cpdef fail(self, object error)

cdef class Poller:
    cdef object _loop
    cdef object _epoll
    cdef int _descriptor
    cdef list _links
    cdef Py_ssize_t _count
    cdef array.array _ready
    cdef Turn _turn
    cdef list _unsent
    cdef list _again

    cpdef flush_soon(self, Pollable link)
    cpdef read_soon(self, Pollable link)
    cpdef run(self)
    @cython.locals(links=list, link=Pollable, found=cython.longlong, ready=array.array, count=int, place=int)
    cdef _tell_ready(self, object epoll)
    @cython.locals(links=list, ready=array.array, link=Pollable, depth=int, place=int)
    cdef _prefetch(self, int count)
    @cython.locals(links=list, link=Pollable)
    cpdef flush(self)
    @cython.locals(links=list, link=Pollable)
    cpdef _read_again(self)
