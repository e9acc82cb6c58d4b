# Varnish in front of rtapp. Change 127.0.0.1 and 8000, the address of rtapp.
vcl 4.1;

backend rtapp {
    .host = "127.0.0.1";
    .port = "8000";
}

sub vcl_recv {
    # Varnish serves no TLS. Behind a server that does, which passes the address on by PROXY: "https".
    set req.http.X-Forwarded-Proto = "http";
    # A pipe passes bytes on, and notices at once when one of its ends is gone. Without rtapp it closes the connection,
    # which brings an EventSource back; a 503 would not.
    if (req.url ~ "^/streams") {
        return (pipe);
    }
}

sub vcl_pipe {
    set bereq.http.Connection = "close";
}
