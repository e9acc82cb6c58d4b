# Varnish in front of rtapp. Change 127.0.0.1 and 8000, the address of rtapp.
vcl 4.1;

backend rtapp {
    .host = "127.0.0.1";
    .port = "8000";
}

sub vcl_recv {
    # Varnish has added the address of the client to X-Forwarded-For. It serves no TLS; what does so in front of
    # it sets X-Forwarded-Proto.
    if (req.url ~ "^/streams") {
        return (pipe);
    }
}

sub vcl_pipe {
    set bereq.http.Connection = "close";
}
