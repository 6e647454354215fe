"""gRPC calls in the relay's own event loop: one stream of messages each way, over HTTP/2.

The gRPC library does this in threads of its own. A message wakes five of them on its way, which on a small virtual
machine costs 200 µs where the work itself is 30: more than all packets in the message together. Here the bytes are
written and read by the loop that has them. HTTP/2 itself is the library h2, which does no input or output; what is ours
is gRPC's framing on top (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) and the sockets below.

What is on the wire is gRPC, and either end may be any implementation of it: the tests have the gRPC library at the
other one. There is no TLS here (`fleet.tls` is below), no compression, and no method but those with a stream each way.
"""
