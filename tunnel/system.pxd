# The compiled form of tunnel/system.py: the same calls, in C. Who compiles against it never imports that module's.
from cpython cimport array
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.object cimport Py_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint32_t

from wire cimport packing

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int descriptor, void *buffer, size_t size, int flags)
    ssize_t send(int descriptor, const void *buffer, size_t size, int flags)
    const int MSG_DONTWAIT
    const int MSG_NOSIGNAL

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_wait(int descriptor, epoll_event *events, int limit, int milliseconds)

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *time)
    const int CLOCK_BOOTTIME
    const int CLOCK_MONOTONIC

cdef enum:
    _MAX_RECEIVE_BYTES = 65536
    _MAX_READY = 128

# The interpreter's lock is kept: none of these waits, and to let go of it costs a thread switch whenever another
# thread wants it.

cdef inline double monotonic():
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec / 1e9

cdef inline int64_t boottime_ns():
    cdef timespec now
    clock_gettime(CLOCK_BOOTTIME, &now)
    return now.tv_sec * <int64_t>1000000000 + now.tv_nsec

cdef inline bytes receive(int descriptor, Py_ssize_t size):
    cdef char buffer[_MAX_RECEIVE_BYTES]
    cdef ssize_t got
    if size > _MAX_RECEIVE_BYTES:
        size = _MAX_RECEIVE_BYTES
    while True:
        got = recv(descriptor, buffer, size, MSG_DONTWAIT)
        if got >= 0:
            return PyBytes_FromStringAndSize(buffer, got)
        if errno == EAGAIN:
            return None
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
        else:
            PyErr_CheckSignals()

cdef inline Py_ssize_t transmit(int descriptor, object data, Py_ssize_t start, Py_ssize_t end) except -1:
    cdef const char *whole
    cdef Py_ssize_t size
    cdef ssize_t sent
    if isinstance(data, bytes):
        whole = PyBytes_AS_STRING(data)
        size = PyBytes_GET_SIZE(data)
    else:
        whole = PyByteArray_AS_STRING(<bytearray?>data)
        size = PyByteArray_GET_SIZE(data)
    if not 0 <= start <= end <= size:
        raise IndexError(f"bytes {start} to {end} of {size}")
    while True:
        sent = send(descriptor, whole + start, end - start, MSG_DONTWAIT | MSG_NOSIGNAL)
        if sent >= 0:
            return sent
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
        else:
            PyErr_CheckSignals()

cdef inline int take_ready(object epoll, int descriptor, array.array ready) except -1:
    cdef epoll_event found[_MAX_READY]
    cdef int count
    cdef int index
    count = epoll_wait(descriptor, found, min(<int>Py_SIZE(ready), <int>_MAX_READY), 0)
    if count < 0:
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
        return 0
    for index in range(count):
        packing.write_amount(ready, index, (<long long>found[index].data.fd) << 32 | found[index].events)
    return count
