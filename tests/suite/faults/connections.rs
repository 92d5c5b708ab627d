//! Connections that are never made: nobody there, no such name, TLS, proxies.
