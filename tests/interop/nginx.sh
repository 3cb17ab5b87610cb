# nginx (Debian) as a relay in front of our gateway, and in front of our gateway behind our relay. Sourced by `run`.
#
#   client ── HTTP/2, TLS ──► nginx as relay ── HTTP/1.1, TLS ──► gateway
#   client ── TLS ──► our relay ── HTTP/2, TLS ──► nginx ── HTTP/1.1 on this host ──► gateway (listen.plaintext)
#
# The relay's half shows what an operator of nginx needs, so that no line of a client's head goes further
# (RFC 9458 §6.2), nothing is sent twice (§6.5) and the gateway is who it says it is.

# nginx_config FOLDER CERTIFICATES RELAY_PORT FRONT_PORT TLS_GATEWAY PLAINTEXT_GATEWAY ECHO_PORT: an nginx.conf.
# The certificates of ours name 127.0.0.1 and localhost; nginx compares names only, hence `proxy_ssl_name`.
nginx_config() {
  local folder=$1 certificates=$2 relay=$3 front=$4 tls=$5 plaintext=$6 echo=$7
  if ((EUID == 0)); then echo "user $(id -un) $(id -gn); # the folder is for nobody else"; fi
  cat <<END
daemon off;
worker_processes 1;
pid $folder/pid;
error_log stderr crit; # below that nginx writes down who asked
events { worker_connections 256; }
http {
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  proxy_cache_path $folder/documents keys_zone=documents:1m;
  # What passed, and by which server; never who asked.
  log_format sizes '\$server_name \$request_method \$status \$content_length \$body_bytes_sent';
  access_log $folder/passed sizes;
  server_tokens off;
  client_max_body_size 16k;
  client_body_buffer_size 16k; # nothing sealed is written to a disk
  proxy_buffer_size 16k;
  proxy_buffers 8 16k;
  proxy_max_temp_file_size 0;
  proxy_http_version 1.1;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_tickets off;

  upstream gateway { server $tls; keepalive 4; }
  upstream plaintext { server $plaintext; keepalive 4; }

  # ---- The relay
  server {
    listen 127.0.0.1:$relay ssl http2;
    server_name relay;
    ssl_certificate $certificates/relay-1.pem;
    ssl_certificate_key $certificates/relay-1.key.pem;

    # Up: type and length, and one name for every client. nginx adds the length.
    proxy_pass_request_headers off;
    proxy_set_header Content-Type \$content_type;
    proxy_set_header Host localhost;
    proxy_set_header Connection "";
    # Down: what a gateway of ours does not send, and others might.
    proxy_hide_header Alt-Svc;
    proxy_hide_header ETag;
    proxy_hide_header Last-Modified;
    proxy_hide_header Link;
    proxy_hide_header NEL;
    proxy_hide_header Report-To;
    proxy_hide_header Server-Timing;
    proxy_hide_header Set-Cookie;
    proxy_hide_header Via;
    proxy_hide_header X-Request-Id;
    # Never twice, and to nobody else.
    proxy_next_upstream off;
    proxy_redirect off;
    proxy_ssl_verify on;
    proxy_ssl_trusted_certificate $certificates/ca.pem;
    proxy_ssl_name localhost;
    proxy_ssl_server_name on;
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
    set \$args ""; # a query would be passed on, too

    location = /dp {
      limit_except GET POST { deny all; }
      proxy_pass https://gateway/.well-known/ohttp-gateway;
    }
    location = /dp/policy {
      limit_except GET { deny all; }
      proxy_cache documents;
      proxy_pass https://gateway/.well-known/discreet;
    }
    # For the test: somebody else's certificate, and a server that says what it was told.
    location = /untrusted {
      proxy_ssl_name other.example;
      proxy_pass https://$tls/.well-known/ohttp-gateway; # not over the connections that are verified already
    }
    location = /echo { proxy_pass http://127.0.0.1:$echo/; }
    location / { return 404; }
  }

  # ---- In front of the gateway: ends TLS, no more
  server {
    listen 127.0.0.1:$front ssl http2;
    server_name front;
    ssl_certificate $certificates/gateway.pem;
    ssl_certificate_key $certificates/gateway.key.pem;
    proxy_set_header Connection "";
    location / { proxy_pass http://plaintext; }
  }
}
END
}
